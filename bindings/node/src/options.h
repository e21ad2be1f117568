#pragma once

#include <dstorch/generation.h>
#include <dstorch/torch_model.h>
#include <napi.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

/// What programs say, as the library's options. Objects from JavaScript were checked there (lib/options.js): here a
/// wrong type throws all the same, but its message names no field.
namespace dstorch::node {

TorchModelConfig config_from(const Napi::Object& object);

/// Sets what a program said, and leaves the rest. It may be called on any thread, and takes the time of compiling a
/// constraint if there is one. Throws LMError.
using SetOptions = std::function<void(GenerationOptions&)>;
SetOptions generation_options_from(const Napi::Object& object);

PlanOptions plan_options_from(const Napi::Object& object);

/// `tools` (JSON), `documents` (JSON), `variables` (JSON) and `template`. May be called on any thread, since it reads
/// JSON. Throws LMError.
using MakeTemplateOptions = std::function<ChatTemplateOptions()>;
MakeTemplateOptions template_options_from(const Napi::Object& object);

/// A Float64Array of ids. Throws LMError{invalid_argument} for one that is no whole number.
std::vector<int64_t> ids_from(const Napi::Value& value);

}  // namespace dstorch::node
