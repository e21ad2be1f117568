#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "driver/loaded_model.h"

namespace dstorch::driver {

// What calls need of a loaded model.

/// What a call goes to, its files looked at. Throws LMError: unsupported for what is no language model, io.
engine::Engine& engine_of(const LoadedModel& loaded);

/// Throws LMError{unsupported} for a model without a tokenizer.
std::vector<int64_t> encode(const LoadedModel& loaded, std::string_view text);

/// Where the adapters of calls are. Throws LMError{unsupported} for a model that has none.
AdapterShelf& shelf_of(const LoadedModel& loaded);

/// The adapter of that name; for an empty one that of calls which name none, which may be null. Throws LMError as
/// `AdapterShelf::find`.
std::shared_ptr<const nn::Adapter> adapter_of(const LoadedModel& loaded, const std::string& name);

}  // namespace dstorch::driver
