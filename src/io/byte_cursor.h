#pragma once

#include <fmt/format.h>

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "core/throw.h"

namespace dstorch {

static_assert(std::endian::native == std::endian::little,
              "checkpoints are little-endian and are mapped, not converted");

/// Text of a file, made fit for a message when fmt prints it: control characters escaped, long text cut.
struct Quoted {
  explicit Quoted(std::string_view value) : text(value) {}
  [[nodiscard]] std::string str() const;

  std::string_view text;
};

/// Reads little-endian values from bytes that nobody vouches for: every read is checked. Throws LMError{format}.
class ByteCursor {
 public:
  /// `where` names the source in errors; it must outlive the cursor.
  ByteCursor(std::span<const std::byte> bytes, std::string_view where, std::size_t position = 0)
      : bytes_(bytes), where_(where), position_(position) {
    check(position <= bytes.size());
  }

  std::span<const std::byte> take(uint64_t count) {
    check(count <= remaining());
    const auto taken = bytes_.subspan(position_, static_cast<std::size_t>(count));
    position_ += taken.size();
    return taken;
  }

  std::string_view take_text(uint64_t count) {
    const auto taken = take(count);
    return {reinterpret_cast<const char*>(taken.data()), taken.size()};
  }

  template <typename T>
  T read() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }

  void skip(uint64_t count) { take(count); }

  [[nodiscard]] std::size_t position() const noexcept { return position_; }
  [[nodiscard]] std::size_t remaining() const noexcept { return bytes_.size() - position_; }
  [[nodiscard]] std::string_view where() const noexcept { return where_; }

 private:
  void check(bool inside) const {
    require(inside, ErrorKind::format, "{} is cut short or damaged: {} bytes end inside a value at byte {}", where_,
            bytes_.size(), position_);
  }

  std::span<const std::byte> bytes_;
  std::string_view where_;
  std::size_t position_;
};

}  // namespace dstorch

template <>
struct fmt::formatter<dstorch::Quoted> : fmt::formatter<std::string_view> {
  template <typename Context>
  auto format(const dstorch::Quoted& quoted, Context& context) const {
    return fmt::formatter<std::string_view>::format(quoted.str(), context);
  }
};
