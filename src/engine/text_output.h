#pragma once

#include <memory>
#include <optional>
#include <string>

#include "dstorch/generation.h"
#include "dstorch/tokenizer.h"
#include "text/stop_matcher.h"

namespace dstorch::engine {

/// The text side of a generation: ids become whole characters, and what could begin a stop string is held back. One
/// thread at a time.
class TextOutput {
 public:
  /// `tokenizer` may be null: ids then have no text.
  TextOutput(std::shared_ptr<const Tokenizer> tokenizer, const GenerationOptions& options);

  /// The text that `token` lets out; often empty. Ids past the tokenizer's, which models have whose tables are padded,
  /// have none.
  std::string push(int64_t token);
  /// What is still held back. Nothing once a stop string came.
  std::string finish();
  /// The stop string that came, if one did: nothing is let out after it.
  [[nodiscard]] const std::optional<std::string>& stop_sequence() const noexcept { return stop_; }

 private:
  std::string release(const std::string& piece);

  text::StopMatcher stops_;
  std::optional<StreamDecoder> decoder_;
  int64_t vocab_size_ = 0;  // the tokenizer's; 0 without one
  std::optional<std::string> stop_;
};

}  // namespace dstorch::engine
