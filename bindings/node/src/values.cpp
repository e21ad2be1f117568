#include "values.h"

#include <array>
#include <cstring>

namespace dstorch::node {
namespace {

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

/// Its arguments as the JSON that they are.
Napi::Object tool_call(Napi::Env env, const ToolCall& call) {
  auto object = Napi::Object::New(env);
  object.Set("id", call.id);
  object.Set("name", call.name);
  object.Set("arguments", call.arguments);
  return object;
}

/// The assistant's, who says nothing else.
Napi::Object message(Napi::Env env, const Message& message) {
  auto object = Napi::Object::New(env);
  object.Set("role", message.role);
  object.Set("content", message.content);
  if (!message.reasoning.empty()) {
    object.Set("reasoning", message.reasoning);
  }
  if (!message.tool_calls.empty()) {
    auto calls = Napi::Array::New(env, message.tool_calls.size());
    for (uint32_t i = 0; i < message.tool_calls.size(); ++i) {
      calls.Set(i, tool_call(env, message.tool_calls[i]));
    }
    object.Set("toolCalls", calls);
  }
  return object;
}

}  // namespace

Napi::Object completion(Napi::Env env, const GenerationResult& result) {
  auto object = Napi::Object::New(env);
  object.Set("text", result.text);
  object.Set("tokens", array_of<int64_t>(env, result.tokens));
  object.Set("finishReason", std::string(to_string(result.finish_reason)));
  if (result.stop_sequence) {
    object.Set("stopSequence", *result.stop_sequence);
  }
  auto usage = Napi::Object::New(env);
  set_number(usage, "promptTokens", result.usage.prompt_tokens);
  set_number(usage, "cachedTokens", result.usage.cached_tokens);
  set_number(usage, "completionTokens", result.usage.completion_tokens);
  object.Set("usage", usage);
  object.Set("logprobs", logprobs(env, result.logprobs));
  auto timings = Napi::Object::New(env);
  timings.Set("promptSeconds", result.timings.prompt_seconds);
  timings.Set("generationSeconds", result.timings.generation_seconds);
  timings.Set("tokenSeconds", array_of<double>(env, result.timings.token_seconds));
  set_number(timings, "draftedTokens", result.timings.drafted_tokens);
  set_number(timings, "acceptedTokens", result.timings.accepted_tokens);
  object.Set("timings", timings);
  return object;
}

Napi::Object completion(Napi::Env env, const ChatResult& result) {
  auto object = completion(env, result.generation);
  object.Set("message", message(env, result.message));
  return object;
}

Napi::Value answer_piece(Napi::Env env, const AnswerPiece& piece) {
  auto object = Napi::Object::New(env);
  if (piece.kind == AnswerPiece::Kind::tool_call) {
    object.Set("kind", "toolCall");
    object.Set("toolCall", tool_call(env, piece.call));
  } else {
    object.Set("kind", piece.kind == AnswerPiece::Kind::text ? "text" : "reasoning");
    object.Set("text", piece.text);
  }
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
  object.Set("classes", array(env, info.classes));
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
  auto prefixes = Napi::Object::New(env);
  set_number(prefixes, "pages", use.prefixes.pages);
  set_number(prefixes, "bytes", use.prefixes.bytes);
  set_number(prefixes, "tokensAsked", use.prefixes.tokens_asked);
  set_number(prefixes, "tokensFound", use.prefixes.tokens_found);
  object.Set("prefixes", prefixes);
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

Napi::Value array(Napi::Env env, std::span<const std::string> values) {
  auto result = Napi::Array::New(env, values.size());
  for (uint32_t i = 0; i < values.size(); ++i) {
    result.Set(i, values[i]);
  }
  return result;
}

Napi::Value float_array(Napi::Env env, std::span<const float> values) {
  auto result = Napi::Float32Array::New(env, values.size());
  std::memcpy(result.Data(), values.data(), values.size_bytes());
  return result;
}

}  // namespace dstorch::node
