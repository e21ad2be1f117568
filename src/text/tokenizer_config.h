#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "text/added_tokens.h"

namespace dstorch::text {

/// What tokenizer_config.json, special_tokens_map.json and added_tokens.json say beside a vocabulary. All of them are
/// optional.
struct TokenizerConfig {
  std::string tokenizer_class;
  std::string bos_token;
  std::string eos_token;
  std::optional<bool> add_bos_token;
  std::optional<bool> add_eos_token;
  std::optional<bool> add_prefix_space;
  /// With an id of -1 where the files do not give one.
  std::vector<AddedToken> tokens;
};

/// Throws LMError{format}.
TokenizerConfig read_tokenizer_config(const std::filesystem::path& directory);

}  // namespace dstorch::text
