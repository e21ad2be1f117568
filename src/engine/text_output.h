#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dstorch/generation.h"
#include "dstorch/tokenizer.h"
#include "text/stop_matcher.h"
#include "text/utf8.h"

namespace dstorch::engine {

/// Turns the ids of an answer into text: whole characters only, and with text held back that could be the beginning of
/// a stop string. A stop string may contain special tokens; these are recognised even though they are left out of the
/// text. One thread at a time.
class TextOutput {
 public:
  /// `tokenizer` may be null: ids then have no text.
  TextOutput(std::shared_ptr<const Tokenizer> tokenizer, const GenerationOptions& options);

  /// Adds `token` and returns the text that became final, often none. Ids beyond the tokenizer's vocabulary, which
  /// models with padded tables have, add no text.
  std::string push(int64_t token);
  /// Adds raw bytes of text and returns the characters that they complete, without looking for stop strings: for
  /// constrained answers, whose text must be kept exactly. Do not mix with `push`.
  std::string push_bytes(std::string_view bytes);
  /// Returns the text that is still held back; nothing when a stop string came.
  std::string finish();
  /// The stop string that came, if one did. No text follows it.
  [[nodiscard]] const std::optional<std::string>& stop_sequence() const noexcept { return stop_; }

 private:
  std::string release(const std::string& piece, bool hidden = false);
  std::string visible_part(const std::string& text);

  /// The text of a special token that is left out of the answer but contained in a stop string; else empty.
  [[nodiscard]] std::string hidden_text(int64_t token) const;

  text::StopMatcher stops_;
  std::vector<std::string> watched_;            // the stop strings, if special tokens are left out of the text
  std::shared_ptr<const Tokenizer> tokenizer_;  // may be null
  struct Run {
    std::size_t bytes;
    bool hidden;
  };
  std::deque<Run> runs_;  // the pieces that the held-back text is made of
  std::optional<StreamDecoder> decoder_;
  text::Utf8Assembler assembler_;
  int64_t vocab_size_ = 0;  // the tokenizer's; 0 without one
  std::optional<std::string> stop_;
};

}  // namespace dstorch::engine
