#pragma once

#include <memory>

#include "core/json.h"
#include "text/piece.h"

namespace dstorch::text {

/// Cuts a text into the pieces within which the model merges. Immutable, hence thread-safe.
class PreTokenizer {
 public:
  PreTokenizer() = default;
  PreTokenizer(const PreTokenizer&) = delete;
  PreTokenizer& operator=(const PreTokenizer&) = delete;
  virtual ~PreTokenizer() = default;

  /// Hands the parts of `piece`, in order, to `sink`; empty ones may be among them. Texts it makes live in `arena`.
  virtual void split(const Piece& piece, Arena& arena, const PieceSink& sink) const = 0;
};

/// From the "pre_tokenizer" of a tokenizer.json; null gives one that changes nothing.
/// Throws LMError: format, unsupported (the message lists the known types).
std::unique_ptr<const PreTokenizer> make_pre_tokenizer(const Json& json);

/// What GPT-2's vocab.json and merges.txt imply: ByteLevel without a prefix space.
std::unique_ptr<const PreTokenizer> make_byte_level_pre_tokenizer(bool add_prefix_space);

}  // namespace dstorch::text
