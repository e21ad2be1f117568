#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "text/constraint/char_dfa.h"

namespace dstorch::text::constraint {

/// A number as its decimal digits, exact.
struct Decimal {
  bool negative = false;
  std::string whole;     ///< without leading zeros; empty for 0
  std::string fraction;  ///< without trailing zeros

  /// Of a number as JSON writes it, an exponent included. Throws LMError{unsupported} for one of more than 400 digits.
  static Decimal parse(std::string_view text);
  [[nodiscard]] bool zero() const noexcept { return whole.empty() && fraction.empty(); }
  [[nodiscard]] std::string text() const;
};

/// Negative, 0 or positive as `a` is less than, equal to or greater than `b`.
int compare(const Decimal& a, const Decimal& b);
/// Whether `value` is a whole multiple of `step`, which is positive and has at most 9 digits.
bool is_multiple(const Decimal& value, const Decimal& step);

/// What is asked of a number.
struct NumberLimits {
  bool integer = false;
  std::optional<Decimal> minimum{};
  std::optional<Decimal> maximum{};
  bool above_minimum = false;  ///< not the minimum itself
  bool below_maximum = false;
  /// Above 0.
  std::optional<Decimal> multiple_of{};

  [[nodiscard]] bool any() const { return minimum || maximum || multiple_of; }
  [[nodiscard]] bool accept(const Decimal& value) const;
};

/// The numbers within limits, written without an exponent: at most 18 digits for integers; for others together at most
/// 15, so that different ones are different floating-point numbers, unless a limit has more. Without two limits 9 of
/// these are before the point. Negative zero is left out.
/// Throws LMError{unsupported} when this becomes too large.
CharDfa number_dfa(const NumberLimits& limits);

}  // namespace dstorch::text::constraint
