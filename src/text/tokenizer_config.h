#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "text/added_tokens.h"

namespace dstorch::text {

/// What tokenizer_config.json says beside a vocabulary or a tokenizer.json and, where it has no "added_tokens_decoder",
/// special_tokens_map.json and added_tokens.json, as transformers reads them. All of them are optional.
struct TokenizerConfig {
  std::string tokenizer_class;
  std::string bos_token;
  std::string eos_token;
  std::optional<bool> add_bos_token;
  std::optional<bool> add_eos_token;
  std::optional<bool> add_prefix_space;
  /// Of a SentencePiece model: a space goes before each text between special tokens, not before the first alone.
  bool legacy = false;
  /// In the order of the ids that the files give, then those without one (-1): special tokens that are only named.
  std::vector<AddedToken> tokens;
};

/// Throws LMError{format}.
TokenizerConfig read_tokenizer_config(const std::filesystem::path& directory);

}  // namespace dstorch::text
