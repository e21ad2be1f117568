#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace dstorch::text::jinja {

/// Reals below it, and above its negative, become whole numbers of 64 bits.
inline constexpr double kMostWhole = 9.2e18;

/// Python's int(text, base); nothing for what is no whole number of 64 bits.
std::optional<int64_t> parse_whole(std::string_view text, int64_t base);
/// Python's float(text).
std::optional<double> parse_real(std::string_view text);

}  // namespace dstorch::text::jinja
