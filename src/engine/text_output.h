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

/// The text side of a generation: ids become whole characters, and what could begin a stop string is held back. Stop
/// strings may have special tokens in them, which are seen although they are left out of the text. One thread at a
/// time.
class TextOutput {
 public:
  /// `tokenizer` may be null: ids then have no text.
  TextOutput(std::shared_ptr<const Tokenizer> tokenizer, const GenerationOptions& options);

  /// The text that `token` lets out; often empty. Ids past the tokenizer's, which models have whose tables are padded,
  /// have none.
  std::string push(int64_t token);
  /// The characters that `bytes` complete, as they are: of answers whose text is to be just that. Stop strings are not
  /// looked for. Not together with `push`.
  std::string push_bytes(std::string_view bytes);
  /// What is still held back. Nothing once a stop string came.
  std::string finish();
  /// The stop string that came, if one did: nothing is let out after it.
  [[nodiscard]] const std::optional<std::string>& stop_sequence() const noexcept { return stop_; }

 private:
  std::string release(const std::string& piece, bool hidden = false);
  std::string visible_part(const std::string& text);

  /// Of a special token that is left out of the text and that a stop string has in it; else empty.
  [[nodiscard]] std::string hidden_text(int64_t token) const;

  text::StopMatcher stops_;
  std::vector<std::string> watched_;            // stop strings, where special tokens are left out
  std::shared_ptr<const Tokenizer> tokenizer_;  // may be null
  struct Run {
    std::size_t bytes;
    bool hidden;
  };
  std::deque<Run> runs_;  // of the text that is held back
  std::optional<StreamDecoder> decoder_;
  text::Utf8Assembler assembler_;
  int64_t vocab_size_ = 0;  // the tokenizer's; 0 without one
  std::optional<std::string> stop_;
};

}  // namespace dstorch::engine
