#include "values.h"

#include <dstorch/error.h>

#include <array>
#include <cmath>
#include <cstring>
#include <optional>
#include <type_traits>
#include <utility>

namespace dstorch::node {
namespace {

/// `object[name]`, or nothing where it is undefined.
template <typename T>
std::optional<T> read(const Napi::Object& object, const char* name) {
  const auto value = object.Get(name);
  if (value.IsUndefined()) {
    return std::nullopt;
  }
  if constexpr (std::is_same_v<T, bool>) {
    return value.As<Napi::Boolean>().Value();
  } else if constexpr (std::is_same_v<T, std::string>) {
    return value.As<Napi::String>().Utf8Value();
  } else if constexpr (std::is_same_v<T, double>) {
    return value.As<Napi::Number>().DoubleValue();
  } else if constexpr (std::is_same_v<T, uint64_t>) {
    bool lossless = true;
    return value.IsBigInt() ? value.As<Napi::BigInt>().Uint64Value(&lossless)
                            : static_cast<uint64_t>(value.As<Napi::Number>().Int64Value());
  } else {
    return static_cast<T>(value.As<Napi::Number>().Int64Value());
  }
}

template <typename T, typename Field>
void read_into(Field& field, const Napi::Object& object, const char* name) {
  if (auto value = read<T>(object, name)) {
    field = std::move(*value);
  }
}

std::optional<DType> dtype_from(const Napi::Object& object, const char* name) {
  const auto text = read<std::string>(object, name);
  if (!text) {
    return std::nullopt;
  }
  const auto dtype = parse_dtype(*text);
  if (!dtype) {
    throw LMError(ErrorKind::invalid_argument,
                  std::string(name) + " must be float32, bfloat16, float16 or float64, got " + *text);
  }
  return dtype;
}

template <typename T>
Napi::Value array_of(Napi::Env env, std::span<const T> values) {
  auto result = Napi::Array::New(env, values.size());
  for (uint32_t i = 0; i < values.size(); ++i) {
    result.Set(i, Napi::Number::New(env, static_cast<double>(values[i])));
  }
  return result;
}

void set_number(Napi::Object& object, const char* name, int64_t value) { object.Set(name, static_cast<double>(value)); }

Napi::Object amount(Napi::Env env, const MemoryUse::Amount& amount) {
  auto result = Napi::Object::New(env);
  set_number(result, "bytes", amount.bytes);
  set_number(result, "peak", amount.peak);
  return result;
}

/// The kinds of memory as JavaScript names them, in their order.
constexpr std::array<const char*, kMemoryKinds> kKinds{"weights",   "kvCache",   "activations",
                                                       "gradients", "optimizer", "other"};

Napi::Object logprob(Napi::Env env, int64_t token, double value) {
  auto result = Napi::Object::New(env);
  set_number(result, "token", token);
  result.Set("logprob", value);
  return result;
}

Napi::Array logprobs(Napi::Env env, const std::vector<TokenLogprob>& values) {
  auto result = Napi::Array::New(env, values.size());
  for (uint32_t i = 0; i < values.size(); ++i) {
    auto entry = logprob(env, values[i].token, values[i].logprob);
    auto top = Napi::Array::New(env, values[i].top.size());
    for (uint32_t j = 0; j < values[i].top.size(); ++j) {
      top.Set(j, logprob(env, values[i].top[j].first, values[i].top[j].second));
    }
    entry.Set("top", top);
    result.Set(i, entry);
  }
  return result;
}

}  // namespace

TorchModelConfig config_from(const Napi::Object& object) {
  TorchModelConfig config;
  read_into<std::string>(config.model_path, object, "modelPath");
  if (const auto device = read<std::string>(object, "deviceType")) {
    config.device = Device::parse(*device);
  }
  if (const auto value = object.Get("architecture"); value.IsObject()) {
    const auto sizes = value.As<Napi::Object>();
    auto& architecture = config.architecture.emplace();
    read_into<int64_t>(architecture.input_size, sizes, "inputSize");
    read_into<int64_t>(architecture.hidden_size, sizes, "hiddenSize");
    read_into<int64_t>(architecture.output_size, sizes, "outputSize");
    read_into<int64_t>(architecture.num_layers, sizes, "numLayers");
  }
  config.dtype = dtype_from(object, "dtype");
  config.kv_dtype = dtype_from(object, "kvDtype");
  read_into<int64_t>(config.kv_memory, object, "kvMemory");
  read_into<int>(config.threads, object, "threads");
  read_into<std::string>(config.tokenizer_path, object, "tokenizerPath");
  read_into<int64_t>(config.max_context, object, "maxContext");
  read_into<uint64_t>(config.seed, object, "seed");
  read_into<int64_t>(config.memory_limit, object, "memoryLimit");
  read_into<bool>(config.allow_scripts, object, "allowScripts");
  read_into<bool>(config.copy_weights, object, "copyWeights");
  return config;
}

GenerationOptions generation_options_from(const Napi::Object& object) {
  GenerationOptions options;
  read_into<int64_t>(options.max_tokens, object, "maxTokens");
  read_into<double>(options.temperature, object, "temperature");
  read_into<int64_t>(options.top_k, object, "topK");
  read_into<double>(options.top_p, object, "topP");
  read_into<double>(options.min_p, object, "minP");
  read_into<double>(options.repetition_penalty, object, "repetitionPenalty");
  read_into<double>(options.frequency_penalty, object, "frequencyPenalty");
  read_into<double>(options.presence_penalty, object, "presencePenalty");
  read_into<uint64_t>(options.seed, object, "seed");
  read_into<int64_t>(options.logprobs, object, "logprobs");
  read_into<bool>(options.ignore_eos, object, "ignoreEos");
  read_into<bool>(options.skip_special_tokens, object, "skipSpecialTokens");
  if (const auto value = object.Get("stopSequences"); value.IsArray()) {
    const auto stops = value.As<Napi::Array>();
    for (uint32_t i = 0; i < stops.Length(); ++i) {
      options.stop_sequences.push_back(stops.Get(i).As<Napi::String>().Utf8Value());
    }
  }
  // [id, bias, id, bias, ...]
  if (const auto value = object.Get("logitBias"); value.IsArray()) {
    const auto pairs = value.As<Napi::Array>();
    for (uint32_t i = 0; i + 1 < pairs.Length(); i += 2) {
      options.logit_bias[pairs.Get(i).As<Napi::Number>().Int64Value()] =
          pairs.Get(i + 1).As<Napi::Number>().DoubleValue();
    }
  }
  return options;
}

PlanOptions plan_options_from(const Napi::Object& object) {
  PlanOptions options;
  read_into<int64_t>(options.context, object, "context");
  read_into<int64_t>(options.batch, object, "batch");
  read_into<int64_t>(options.lora_rank, object, "loraRank");
  read_into<bool>(options.bfloat16, object, "bfloat16");
  const auto training = read<std::string>(object, "training").value_or("none");
  options.training = training == "full" ? Training::full : training == "lora" ? Training::lora : Training::none;
  return options;
}

std::vector<int64_t> ids_from(const Napi::Value& value) {
  const auto numbers = value.As<Napi::Float64Array>();
  std::vector<int64_t> ids(numbers.ElementLength());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const double id = numbers[i];
    if (std::nearbyint(id) != id || std::abs(id) > 9e15) {
      throw LMError(ErrorKind::invalid_argument, "token ids must be whole numbers, got " + std::to_string(id));
    }
    ids[i] = static_cast<int64_t>(id);
  }
  return ids;
}

Napi::Value completion(Napi::Env env, const GenerationResult& result) {
  auto object = Napi::Object::New(env);
  object.Set("text", result.text);
  object.Set("tokens", array_of<int64_t>(env, result.tokens));
  object.Set("finishReason", std::string(to_string(result.finish_reason)));
  if (result.stop_sequence) {
    object.Set("stopSequence", *result.stop_sequence);
  }
  auto usage = Napi::Object::New(env);
  set_number(usage, "promptTokens", result.usage.prompt_tokens);
  set_number(usage, "completionTokens", result.usage.completion_tokens);
  object.Set("usage", usage);
  object.Set("logprobs", logprobs(env, result.logprobs));
  auto timings = Napi::Object::New(env);
  timings.Set("promptSeconds", result.timings.prompt_seconds);
  timings.Set("generationSeconds", result.timings.generation_seconds);
  timings.Set("tokenSeconds", array_of<double>(env, result.timings.token_seconds));
  object.Set("timings", timings);
  return object;
}

Napi::Value information(Napi::Env env, const ModelInfo& info) {
  auto object = Napi::Object::New(env);
  object.Set("modelType", info.model_type);
  set_number(object, "parameters", info.parameters);
  set_number(object, "weightBytes", info.weight_bytes);
  object.Set("dtype", std::string(to_string(info.dtype)));
  set_number(object, "vocabSize", info.vocab_size);
  set_number(object, "maxContext", info.max_context);
  set_number(object, "hiddenSize", info.hidden_size);
  set_number(object, "numLayers", info.num_layers);
  set_number(object, "bytesPerToken", info.bytes_per_token);
  return object;
}

Napi::Value memory(Napi::Env env, const MemoryUse& use) {
  auto object = Napi::Object::New(env);
  object.Set("device", use.device.to_string());
  object.Set("total", amount(env, use.total));
  for (std::size_t i = 0; i < kMemoryKinds; ++i) {
    object.Set(kKinds[i], amount(env, use.kinds[i]));
  }
  object.Set("mapped", amount(env, use.mapped));
  return object;
}

Napi::Value plan(Napi::Env env, const MemoryPlan& plan) {
  auto object = Napi::Object::New(env);
  object.Set("device", plan.device.to_string());
  object.Set("dtype", std::string(to_string(plan.dtype)));
  set_number(object, "context", plan.context);
  set_number(object, "batch", plan.batch);
  for (std::size_t i = 0; i < kMemoryKinds; ++i) {
    set_number(object, kKinds[i], plan.kinds[i]);
  }
  set_number(object, "total", plan.total);
  set_number(object, "available", plan.available);
  set_number(object, "largestContext", plan.largest_context);
  set_number(object, "modelContext", plan.model_context);
  object.Set("fits", plan.fits());
  object.Set("text", to_string(plan));
  return object;
}

Napi::Value device_information(Napi::Env env, const DeviceInfo& info) {
  auto object = Napi::Object::New(env);
  object.Set("device", info.device.to_string());
  object.Set("usable", info.usable);
  object.Set("reason", info.reason);
  object.Set("name", info.name);
  set_number(object, "memory", info.memory);
  set_number(object, "memoryAvailable", info.memory_available);
  return object;
}

Napi::Value array(Napi::Env env, std::span<const int64_t> values) { return array_of(env, values); }
Napi::Value array(Napi::Env env, std::span<const double> values) { return array_of(env, values); }
Napi::Value array(Napi::Env env, std::span<const float> values) { return array_of(env, values); }

Napi::Value float_array(Napi::Env env, std::span<const float> values) {
  auto result = Napi::Float32Array::New(env, values.size());
  std::memcpy(result.Data(), values.data(), values.size_bytes());
  return result;
}

}  // namespace dstorch::node
