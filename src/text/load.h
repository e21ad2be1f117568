#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

#include "text/json_tokenizer.h"

namespace dstorch::text {

/// From the text of a tokenizer.json; `where` names it in errors. Throws LMError: format, unsupported.
std::shared_ptr<const Tokenizer> tokenizer_from_json(std::string_view json, std::string_view where);

/// From a file tokenizer.json and what tokenizer_config.json beside it adds. Throws LMError.
std::shared_ptr<const Tokenizer> load_tokenizer_json(const std::filesystem::path& path);

/// From vocab.json and merges.txt, with GPT-2's defaults, or Qwen2's where tokenizer_config.json beside them says so.
/// Throws LMError.
std::shared_ptr<const Tokenizer> load_vocab_merges(const std::filesystem::path& vocab,
                                                   const std::filesystem::path& merges);

/// A SentencePiece tokenizer.model, with the flags and tokens of tokenizer_config.json beside it. Throws LMError.
std::shared_ptr<const Tokenizer> load_sentencepiece(const std::filesystem::path& path);

}  // namespace dstorch::text
