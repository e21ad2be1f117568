#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "driver/loaded_model.h"

namespace dstorch::driver {

// Keys and values of a prompt's beginning in a safetensors file: `tokens`, and `pages.0`, `pages.1`, ... by group of
// layers, [pages, layers, 2 (keys, values), kv_heads, 64, head_dim]. Its metadata say of what model and adapter.

/// Computes what is not there yet of `tokens` and writes it. Throws LMError.
void save_prefix(const LoadedModel& loaded, const std::filesystem::path& path, std::span<const int64_t> tokens,
                 const std::string& adapter);

/// Makes what is in the file findable; returns how many tokens that is. Throws LMError: format for a file of another
/// model, of another adapter of the same name, or of a prefix that cannot be.
int64_t load_prefix(const LoadedModel& loaded, const std::filesystem::path& path);

}  // namespace dstorch::driver
