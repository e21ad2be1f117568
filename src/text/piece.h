#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <type_traits>

namespace dstorch::text {

/// A part of the text on its way from the normalizer to the model. Views text that its maker or an Arena keeps alive.
struct Piece {
  std::string_view text;
  /// How many bytes of `text` stem from the very first character of what the caller gave. Metaspace's scheme "first"
  /// asks for it; nothing else does.
  std::size_t origin = 0;
  /// `text` is raw bytes that the model must read through the byte-level alphabet (byte_level.h).
  bool byte_level = false;

  /// The bytes [begin, end).
  [[nodiscard]] Piece part(std::size_t begin, std::size_t end) const noexcept {
    return {text.substr(begin, end - begin), origin > begin ? origin - begin : 0, byte_level};
  }
};

/// Owns the texts that pre-tokenizers make while one text is encoded.
class Arena {
 public:
  std::string& make() { return texts_.emplace_back(); }
  void clear() { texts_.clear(); }

 private:
  std::deque<std::string> texts_;
};

/// A borrowed callable that takes pieces; the callable must outlive it.
class PieceSink {
 public:
  template <typename F, typename = std::enable_if_t<!std::is_same_v<std::remove_cvref_t<F>, PieceSink>>>
  PieceSink(const F& callable)  // NOLINT(google-explicit-constructor): made from a lambda at the call
      : object_(&callable),
        call_([](const void* object, const Piece& piece) { (*static_cast<const F*>(object))(piece); }) {}

  void operator()(const Piece& piece) const { call_(object_, piece); }

 private:
  const void* object_;
  void (*call_)(const void*, const Piece&);
};

}  // namespace dstorch::text
