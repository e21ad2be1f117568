#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

#include "core/throw.h"
#include "text/json_tokenizer.h"

namespace dstorch::text {

/// What `make()` gives. The parts of a tokenizer know their own names: an LMError of one gets the file's before it.
template <typename F>
std::shared_ptr<const Tokenizer> name_file_in_errors(std::string_view file, F&& make) {
  try {
    return make();
  } catch (const LMError& e) {
    if (std::string_view(e.what()).starts_with(file)) {
      throw;
    }
    throw LMError(e.kind(), fmt::format("{}: {}", file, e.what()));
  }
}

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
