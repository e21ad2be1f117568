#include "options.h"

#include <dstorch/error.h>

#include <cmath>
#include <map>
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

std::optional<KvDType> kv_dtype_from(const Napi::Object& object) {
  const auto text = read<std::string>(object, "kvDtype");
  const auto dtype = text ? parse_kv_dtype(*text) : std::nullopt;
  if (text && !dtype) {
    throw LMError(ErrorKind::invalid_argument, "kvDtype must be float32, bfloat16, float16 or q8, got " + *text);
  }
  return dtype;
}

std::optional<std::vector<std::string>> read_texts(const Napi::Object& object, const char* name) {
  const auto value = object.Get(name);
  if (!value.IsArray()) {
    return std::nullopt;
  }
  const auto array = value.As<Napi::Array>();
  std::vector<std::string> texts;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    texts.push_back(array.Get(i).As<Napi::String>().Utf8Value());
  }
  return texts;
}

/// Collects what an object says, one change of the options for each field that it has.
class Given {
 public:
  explicit Given(const Napi::Object& object) : object_(object) {}

  template <typename T, typename Field>
  void take(Field GenerationOptions::*field, const char* name) {
    if (auto value = read<T>(object_, name)) {
      add([field, value = std::move(*value)](GenerationOptions& options) { options.*field = value; });
    }
  }
  void add(SetOptions change) { changes_.push_back(std::move(change)); }
  [[nodiscard]] SetOptions all() && {
    return [changes = std::move(changes_)](GenerationOptions& options) {
      for (const auto& change : changes) {
        change(options);
      }
    };
  }

 private:
  Napi::Object object_;
  std::vector<SetOptions> changes_;
};

/// At most one of `schema` (JSON), `regex`, `choice`, `grammar`.
void add_constraint(Given& given, const Napi::Object& object) {
  if (auto schema = read<std::string>(object, "schema")) {
    const auto none = read<std::string>(object, "whiteSpace") == "none";
    const auto white_space = none ? Constraint::WhiteSpace::none : Constraint::WhiteSpace::bounded;
    given.add([schema = std::move(*schema), white_space](auto& options) {
      options.constraint = Constraint::json_schema(schema, white_space);
    });
  }
  if (auto pattern = read<std::string>(object, "regex")) {
    given.add([pattern = std::move(*pattern)](auto& options) { options.constraint = Constraint::regex(pattern); });
  }
  if (auto choices = read_texts(object, "choice")) {
    given.add([choices = std::move(*choices)](auto& options) { options.constraint = Constraint::choice(choices); });
  }
  if (auto grammar = read<std::string>(object, "grammar")) {
    given.add([grammar = std::move(*grammar)](auto& options) { options.constraint = Constraint::grammar(grammar); });
  }
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
  config.kv_dtype = kv_dtype_from(object);
  read_into<int64_t>(config.kv_memory, object, "kvMemory");
  read_into<bool>(config.prefix_cache, object, "prefixCache");
  read_into<std::string>(config.draft_model_path, object, "draftModelPath");
  read_into<int>(config.threads, object, "threads");
  read_into<std::string>(config.tokenizer_path, object, "tokenizerPath");
  read_into<int64_t>(config.max_context, object, "maxContext");
  read_into<uint64_t>(config.seed, object, "seed");
  read_into<int64_t>(config.memory_limit, object, "memoryLimit");
  read_into<bool>(config.allow_scripts, object, "allowScripts");
  read_into<bool>(config.copy_weights, object, "copyWeights");
  read_into<std::string>(config.adapter, object, "adapter");
  return config;
}

SetOptions generation_options_from(const Napi::Object& object) {
  Given given(object);
  given.take<int64_t>(&GenerationOptions::max_tokens, "maxTokens");
  given.take<double>(&GenerationOptions::temperature, "temperature");
  given.take<int64_t>(&GenerationOptions::top_k, "topK");
  given.take<double>(&GenerationOptions::top_p, "topP");
  given.take<double>(&GenerationOptions::min_p, "minP");
  given.take<double>(&GenerationOptions::repetition_penalty, "repetitionPenalty");
  given.take<double>(&GenerationOptions::frequency_penalty, "frequencyPenalty");
  given.take<double>(&GenerationOptions::presence_penalty, "presencePenalty");
  given.take<uint64_t>(&GenerationOptions::seed, "seed");
  given.take<int64_t>(&GenerationOptions::logprobs, "logprobs");
  given.take<bool>(&GenerationOptions::ignore_eos, "ignoreEos");
  given.take<bool>(&GenerationOptions::skip_special_tokens, "skipSpecialTokens");
  given.take<std::string>(&GenerationOptions::adapter, "adapter");
  if (const auto word = read<std::string>(object, "speculation")) {
    given.add([speculation = parse_speculation(*word).value()](auto& options) { options.speculation = speculation; });
  }
  if (auto stops = read_texts(object, "stopSequences")) {
    given.add([stops = std::move(*stops)](auto& options) { options.stop_sequences = stops; });
  }
  // [id, bias, id, bias, ...]
  if (const auto value = object.Get("logitBias"); value.IsArray()) {
    const auto pairs = value.As<Napi::Array>();
    std::map<int64_t, double> biases;
    for (uint32_t i = 0; i + 1 < pairs.Length(); i += 2) {
      biases[pairs.Get(i).As<Napi::Number>().Int64Value()] = pairs.Get(i + 1).As<Napi::Number>().DoubleValue();
    }
    given.add([biases = std::move(biases)](auto& options) { options.logit_bias = biases; });
  }
  add_constraint(given, object);
  return std::move(given).all();
}

PlanOptions plan_options_from(const Napi::Object& object) {
  PlanOptions options;
  read_into<int64_t>(options.context, object, "context");
  read_into<int64_t>(options.batch, object, "batch");
  read_into<int64_t>(options.lora_rank, object, "loraRank");
  read_into<bool>(options.bfloat16, object, "bfloat16");
  read_into<bool>(options.checkpointing, object, "checkpointing");
  const auto training = read<std::string>(object, "training").value_or("none");
  options.training = training == "full"            ? Training::full
                     : training == "full-finetune" ? Training::full_finetune
                     : training == "lora"          ? Training::lora
                                                   : Training::none;
  return options;
}

MakeTemplateOptions template_options_from(const Napi::Object& object) {
  ChatTemplateOptions options;
  read_into<std::string>(options.documents, object, "documents");
  read_into<std::string>(options.variables, object, "variables");
  read_into<std::string>(options.name, object, "template");
  return [options = std::move(options), tools = read<std::string>(object, "tools")] {
    auto result = options;
    if (tools) {
      result.tools = parse_tools(*tools);
    }
    return result;
  };
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

}  // namespace dstorch::node
