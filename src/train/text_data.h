#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "dstorch/tokenizer.h"

namespace dstorch::training {

/// The line, and the token, that ends a document.
inline constexpr std::string_view kEndOfText = "<|endoftext|>";

/// Text as token ids, documents one after another.
struct TokenStream {
  std::vector<int32_t> ids;
  /// Of the text, UTF-8, without the lines that only end documents.
  int64_t bytes = 0;

  [[nodiscard]] int64_t size() const noexcept { return static_cast<int64_t>(ids.size()); }
};

/// What is learned from, and what is only evaluated on.
struct TextData {
  TokenStream train;
  TokenStream held_out;
};

/// Appends the ids of `text`. A line `<|endoftext|>`, its line break included, becomes the token of that name where
/// the tokenizer has it; no other special token comes out of text. Ids fit because a vocabulary is far below 2^31.
void append_tokens(const Tokenizer& tokenizer, std::string_view text, TokenStream& out);

/// Reads and encodes `files` in order, each ended by the end-of-text token. The last `held_out_fraction` of the bytes,
/// from a line's start, are held out; with `held_out` that file is, and `files` are learned from whole.
/// Throws LMError: not_found, io, invalid_argument.
TextData load_text_data(const std::vector<std::filesystem::path>& files,
                        const std::optional<std::filesystem::path>& held_out, double held_out_fraction,
                        const Tokenizer& tokenizer);

}  // namespace dstorch::training
