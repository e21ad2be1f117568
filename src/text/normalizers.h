#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "core/json.h"

namespace dstorch::text {

/// A text while it is normalized.
struct NormalizedText {
  std::string text;
  /// How many bytes of `text` stem from the first character of what the caller gave (Piece::origin).
  std::size_t origin = 0;
};

/// Rewrites a text before it is cut into pieces. Immutable, hence thread-safe.
class Normalizer {
 public:
  Normalizer() = default;
  Normalizer(const Normalizer&) = delete;
  Normalizer& operator=(const Normalizer&) = delete;
  virtual ~Normalizer() = default;

  /// `text` must be valid UTF-8, and is so afterwards.
  virtual void apply(NormalizedText& text) const = 0;
};

/// From the "normalizer" of a tokenizer.json; null gives a null pointer.
/// Throws LMError: format, unsupported (the message lists the known types).
std::unique_ptr<const Normalizer> make_normalizer(const Json& json);

}  // namespace dstorch::text
