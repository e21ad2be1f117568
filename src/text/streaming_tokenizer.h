#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dstorch/tokenizer.h"
#include "text/decoders.h"

namespace dstorch::text {

/// A tokenizer whose tokens become text through a Decoder, all at once or one by one.
class StreamingTokenizer : public Tokenizer {
 public:
  [[nodiscard]] std::string decode(std::span<const int64_t> ids, bool skip_special_tokens) const final;
  [[nodiscard]] std::string token_bytes(int64_t id) const final;

  [[nodiscard]] virtual const Decoder& decoder() const = 0;
  /// Hands the token of `id` to `run`, or nothing for a special one to be skipped.
  /// Throws LMError{invalid_argument} for an id outside the vocabulary.
  void push(int64_t id, bool skip_special_tokens, DecodeRun& run) const;
};

}  // namespace dstorch::text
