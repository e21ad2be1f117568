#pragma once

#include <dstorch/device.h>
#include <dstorch/memory.h>
#include <dstorch/torch_model.h>
#include <napi.h>

#include <cstdint>
#include <span>
#include <string>

/// Values of the library's as JavaScript's.
namespace dstorch::node {

Napi::Object completion(Napi::Env env, const GenerationResult& result);
/// The same, with the `message`.
Napi::Object completion(Napi::Env env, const ChatResult& result);
/// {kind: "text" or "reasoning", text}, or {kind: "toolCall", toolCall}.
Napi::Value answer_piece(Napi::Env env, const AnswerPiece& piece);
Napi::Value information(Napi::Env env, const ModelInfo& info);
Napi::Value memory(Napi::Env env, const MemoryUse& use);
Napi::Value plan(Napi::Env env, const MemoryPlan& plan);
Napi::Value device_information(Napi::Env env, const DeviceInfo& info);
/// An array of plain numbers, or of texts.
Napi::Value array(Napi::Env env, std::span<const int64_t> values);
Napi::Value array(Napi::Env env, std::span<const double> values);
Napi::Value array(Napi::Env env, std::span<const float> values);
Napi::Value array(Napi::Env env, std::span<const std::string> values);
Napi::Value float_array(Napi::Env env, std::span<const float> values);
inline Napi::Value number(Napi::Env env, int64_t value) { return Napi::Number::New(env, static_cast<double>(value)); }

}  // namespace dstorch::node
