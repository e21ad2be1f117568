#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace dstorch::text {

/// The patterns that most tokenizers split with, matched by hand: several times faster than a regex engine. Each covers
/// any text without gaps, so that a text is split by asking for one end after the other.
enum class FastPattern {
  gpt2,    ///< r50k: GPT-2, SmolLM, and what ByteLevel's `use_regex` stands for
  cl100k,  ///< Llama 3, GPT-4: digits in threes
  qwen2,   ///< as cl100k, digits alone
  o200k,   ///< GPT-4o: words split where lower case turns to upper
};

/// The hand-written equal of `pattern`, if there is one.
std::optional<FastPattern> fast_pattern(std::string_view pattern);

/// The regular expression that `pattern` stands for.
std::string_view pattern_text(FastPattern pattern);

/// Where the match that begins at `at` < text.size() ends. `text` must be valid UTF-8.
std::size_t match_end(FastPattern pattern, std::string_view text, std::size_t at);

}  // namespace dstorch::text
