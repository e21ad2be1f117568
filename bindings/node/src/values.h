#pragma once

#include <dstorch/device.h>
#include <dstorch/generation.h>
#include <dstorch/memory.h>
#include <dstorch/torch_model.h>
#include <napi.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

/// Values of the library's as JavaScript's, and back. Objects from JavaScript were checked there (lib/options.js): here
/// a wrong type throws all the same, but its message names no field.
namespace dstorch::node {

TorchModelConfig config_from(const Napi::Object& object);
GenerationOptions generation_options_from(const Napi::Object& object);
PlanOptions plan_options_from(const Napi::Object& object);

/// A Float64Array of ids. Throws LMError{invalid_argument} for one that is no whole number.
std::vector<int64_t> ids_from(const Napi::Value& value);

Napi::Value completion(Napi::Env env, const GenerationResult& result);
Napi::Value information(Napi::Env env, const ModelInfo& info);
Napi::Value memory(Napi::Env env, const MemoryUse& use);
Napi::Value plan(Napi::Env env, const MemoryPlan& plan);
Napi::Value device_information(Napi::Env env, const DeviceInfo& info);
/// An array of plain numbers.
Napi::Value array(Napi::Env env, std::span<const int64_t> values);
Napi::Value array(Napi::Env env, std::span<const double> values);
Napi::Value array(Napi::Env env, std::span<const float> values);
Napi::Value float_array(Napi::Env env, std::span<const float> values);
inline Napi::Value number(Napi::Env env, int64_t value) { return Napi::Number::New(env, static_cast<double>(value)); }

}  // namespace dstorch::node
