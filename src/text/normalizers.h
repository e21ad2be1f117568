#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "core/json.h"

namespace dstorch::text {

/// A text while it is normalized.
struct NormalizedText {
  NormalizedText(std::string given, std::size_t first_character)
      : text(std::move(given)), origin(first_character), most_bytes(text.size() * kMostGrowth + kMostAdded) {}

  std::string text;
  /// How many bytes of `text` stem from the first character of what the caller gave (Piece::origin).
  std::size_t origin;
  /// What all normalizers together may make of it: several times what Unicode's forms and the byte-level alphabet can.
  std::size_t most_bytes;

  static constexpr std::size_t kMostGrowth = 64;
  static constexpr std::size_t kMostAdded = 1024;
};

/// Rewrites a text before it is cut into pieces. Immutable, hence thread-safe.
class Normalizer {
 public:
  Normalizer() = default;
  Normalizer(const Normalizer&) = delete;
  Normalizer& operator=(const Normalizer&) = delete;
  virtual ~Normalizer() = default;

  /// `text` must be valid UTF-8, and is so afterwards. Throws LMError{unsupported} when it would become longer than
  /// `text.most_bytes`.
  void apply(NormalizedText& text) const;

 private:
  virtual void rewrite(NormalizedText& text) const = 0;
};

/// From the "normalizer" of a tokenizer.json; null gives a null pointer.
/// Throws LMError: format, unsupported (the message lists the known types).
std::unique_ptr<const Normalizer> make_normalizer(const Json& json);

}  // namespace dstorch::text
