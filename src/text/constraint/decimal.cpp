#include "text/constraint/decimal.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <compare>
#include <map>
#include <utility>
#include <vector>

#include "core/throw.h"
#include "text/constraint/effort.h"

namespace dstorch::text::constraint {
namespace {

constexpr std::size_t kMostDigits = 400;
constexpr std::size_t kIntegerDigits = 18;
constexpr std::size_t kWholeDigits = 9;
constexpr std::size_t kExactDigits = 15;

int compare_magnitudes(const Decimal& a, const Decimal& b) {
  if (a.whole.size() != b.whole.size()) {
    return a.whole.size() < b.whole.size() ? -1 : 1;
  }
  const int whole = a.whole.compare(b.whole);
  return whole != 0 ? whole : a.fraction.compare(b.fraction);
}

/// How what is written so far compares to as many digits of a limit.
enum class Order : int8_t { less, equal, greater };

Order compared(Order before, char digit, char of_limit) {
  if (before != Order::equal || digit == of_limit) {
    return before;
  }
  return digit < of_limit ? Order::less : Order::greater;
}

/// A limit of a number without its sign.
struct Bound {
  std::optional<Decimal> at{};
  bool excluded = false;

  [[nodiscard]] char digit(std::size_t whole) const { return at && whole < at->whole.size() ? at->whole[whole] : '0'; }
  [[nodiscard]] char fraction_digit(std::size_t i) const {
    return at && i < at->fraction.size() ? at->fraction[i] : '0';
  }
};

/// Writes down the numbers of one sign between two bounds, digit by digit.
class NumberWriter {
 public:
  NumberWriter(CharDfa& dfa, const NumberLimits& limits, bool negative) : dfa_(dfa), negative_(negative) {
    low_ = {limits.minimum, limits.above_minimum};
    high_ = {limits.maximum, limits.below_maximum};
    if (negative) {
      std::swap(low_, high_);
      for (auto* bound : {&low_, &high_}) {
        if (bound->at) {
          bound->at->negative = !bound->at->negative;
        }
      }
    }
    possible_ = !(high_.at && high_.at->negative && !high_.at->zero());
    if (low_.at && low_.at->negative) {
      low_ = {};  // below 0 is no limit here
    }
    set_digits(limits);
    set_step(limits);
  }

  /// Adds the numbers to state `from` of the automaton.
  void write(uint32_t from) {
    if (!possible_) {
      return;
    }
    for (char digit = '0'; digit <= '9'; ++digit) {
      connect(from, digit, digit == '0' ? State{.zero = true} : after_whole({}, digit));
    }
    while (!open_.empty()) {
      const auto [state, number] = open_.back();
      open_.pop_back();
      dfa_.states[number].accepts = may_end(state);
      if (state.fraction < 0) {
        for (char digit = '0'; digit <= '9' && !state.zero && state.whole < whole_digits_; ++digit) {
          connect(number, digit, after_whole(state, digit));
        }
        if (fraction_digits_ > 0) {
          auto point = state;
          point.fraction = 0;
          if (state.zero) {
            point.zero = false;
            point.low = low_.at && !low_.at->whole.empty() ? Order::less : Order::equal;
            point.high = high_.at && !high_.at->whole.empty() ? Order::less : Order::equal;
          } else {
            point.low = whole_order(state, low_, state.low);
            point.high = whole_order(state, high_, state.high);
          }
          point.whole = 0;
          connect(number, '.', point);
        }
      } else {
        for (char digit = '0'; digit <= '9' && state.fraction < static_cast<int>(fraction_digits_); ++digit) {
          connect(number, digit, after_fraction(state, digit));
        }
      }
    }
  }

 private:
  struct State {
    std::size_t whole = 0;  // digits before the point; 0 after it
    int fraction = -1;      // digits after the point; -1 before it
    bool zero = false;      // "0" was written
    bool nonzero = false;
    Order low = Order::equal;
    Order high = Order::equal;
    int64_t rest = 0;                                // of dividing by the step what is written
    auto operator<=>(const State&) const = default;  // NOLINT(modernize-use-nullptr)
  };

  void set_digits(const NumberLimits& limits) {
    const auto digits_of = [](const std::optional<Decimal>& d) { return d ? d->whole.size() : 0; };
    const auto of_limits = std::max(digits_of(limits.minimum), digits_of(limits.maximum));
    if (limits.integer) {
      whole_digits_ = std::max(kIntegerDigits, of_limits);
      return;
    }
    const bool both = limits.minimum && limits.maximum;
    whole_digits_ = std::max<std::size_t>(both ? 1 : kWholeDigits, of_limits);
    fraction_digits_ = kExactDigits - std::min(kExactDigits, whole_digits_);
    for (const auto& limit : {limits.minimum, limits.maximum}) {
      fraction_digits_ = std::max(fraction_digits_, limit ? limit->fraction.size() : 0);
    }
  }

  void set_step(const NumberLimits& limits) {
    if (!limits.multiple_of) {
      return;
    }
    const auto digits = limits.multiple_of->whole + limits.multiple_of->fraction;
    require(digits.size() <= kWholeDigits, ErrorKind::unsupported, "multipleOf {} has too many digits",
            limits.multiple_of->text());
    std::from_chars(digits.data(), digits.data() + digits.size(), step_);
    scale_ = limits.multiple_of->fraction.size();
    fraction_digits_ = std::min(fraction_digits_, scale_);
    const auto room = std::max<std::size_t>(1, kExactDigits - std::min(kExactDigits, scale_));
    whole_digits_ = limits.integer ? whole_digits_ : std::max(std::min(whole_digits_, room), std::size_t{1});
  }

  [[nodiscard]] int64_t rest_after(int64_t rest, char digit) const {
    return step_ == 0 ? 0 : (rest * 10 + (digit - '0')) % step_;
  }

  State after_whole(State state, char digit) const {
    state.low = compared(state.low, digit, low_.digit(state.whole));
    state.high = compared(state.high, digit, high_.digit(state.whole));
    ++state.whole;
    // Longer than a limit is larger, whatever its digits.
    state.low = low_.at && state.whole > low_.at->whole.size() ? Order::greater : state.low;
    state.high = high_.at && state.whole > high_.at->whole.size() ? Order::greater : state.high;
    state.nonzero = true;
    state.rest = rest_after(state.rest, digit);
    return state;
  }

  State after_fraction(State state, char digit) const {
    const auto at = static_cast<std::size_t>(state.fraction);
    state.low = compared(state.low, digit, low_.fraction_digit(at));
    state.high = compared(state.high, digit, high_.fraction_digit(at));
    ++state.fraction;
    state.nonzero = state.nonzero || digit != '0';
    state.rest = rest_after(state.rest, digit);
    return state;
  }

  /// How the digits before the point compare to a whole limit's.
  static Order whole_order(const State& state, const Bound& bound, Order digits) {
    return bound.at && state.whole < bound.at->whole.size() ? Order::less : digits;
  }

  /// How the number compares to a limit if it ends here.
  static Order order_at_end(const State& state, const Bound& bound, Order order) {
    if (state.zero) {
      return bound.at->zero() ? Order::equal : Order::less;
    }
    if (state.fraction < 0) {
      order = whole_order(state, bound, order);
    }
    const auto written = static_cast<std::size_t>(std::max(state.fraction, 0));
    // What is left of the limit has a digit that is not 0: zeros at its end were taken away.
    return order == Order::equal && bound.at->fraction.size() > written ? Order::less : order;
  }

  [[nodiscard]] bool may_end(const State& state) const {
    if (state.fraction == 0 || (negative_ && !state.nonzero)) {
      return false;
    }
    if (low_.at) {
      const auto order = order_at_end(state, low_, state.low);
      if (order == Order::less || (order == Order::equal && low_.excluded)) {
        return false;
      }
    }
    if (high_.at) {
      const auto order = order_at_end(state, high_, state.high);
      if (order == Order::greater || (order == Order::equal && high_.excluded)) {
        return false;
      }
    }
    if (step_ == 0) {
      return true;
    }
    auto rest = state.rest;
    for (auto digits = static_cast<std::size_t>(std::max(state.fraction, 0)); digits < scale_; ++digits) {
      rest = rest * 10 % step_;
    }
    return rest == 0;
  }

  void connect(uint32_t from, char c, State state) {
    const bool as_long = high_.at && (state.fraction >= 0 || state.whole >= high_.at->whole.size());
    if (as_long && state.high == Order::greater) {
      return;  // more digits only add to it
    }
    spend(10);
    const auto [known, added] = numbers_.try_emplace(state, static_cast<uint32_t>(dfa_.states.size()));
    if (added) {
      require(dfa_.states.size() < kMostDfaStates, ErrorKind::unsupported,
              "the limits of a number have too many digits, or its multipleOf is too large");
      spend(50);
      dfa_.states.emplace_back();
      open_.emplace_back(state, known->second);
    }
    const auto code = static_cast<char32_t>(c);
    dfa_.states[from].edges.push_back({{code, code}, known->second});
  }

  CharDfa& dfa_;
  bool negative_;
  bool possible_ = true;
  Bound low_;
  Bound high_;
  std::size_t whole_digits_ = 0;
  std::size_t fraction_digits_ = 0;
  int64_t step_ = 0;  // multipleOf times ten to the power of scale_
  std::size_t scale_ = 0;
  std::map<State, uint32_t> numbers_;
  std::vector<std::pair<State, uint32_t>> open_;
};

}  // namespace

Decimal Decimal::parse(std::string_view text) {
  Decimal decimal;
  decimal.negative = text.starts_with('-');
  text.remove_prefix(decimal.negative ? 1 : 0);
  int exponent = 0;
  if (const auto e = text.find_first_of("eE"); e != std::string_view::npos) {
    const auto plus = e + 1 < text.size() && text[e + 1] == '+' ? 1U : 0U;
    std::from_chars(text.data() + e + 1 + plus, text.data() + text.size(), exponent);
    text = text.substr(0, e);
  }
  const auto point = std::min(text.find('.'), text.size());
  decimal.whole = text.substr(0, point);
  decimal.fraction = point < text.size() ? text.substr(point + 1) : "";
  require(std::abs(exponent) <= static_cast<int>(kMostDigits), ErrorKind::unsupported,
          "the number {} has too many digits", text);
  for (; exponent > 0; --exponent) {
    decimal.whole += decimal.fraction.empty() ? '0' : decimal.fraction.front();
    decimal.fraction.erase(0, 1);
  }
  for (; exponent < 0; ++exponent) {
    decimal.fraction.insert(decimal.fraction.begin(), decimal.whole.empty() ? '0' : decimal.whole.back());
    if (!decimal.whole.empty()) {
      decimal.whole.pop_back();
    }
  }
  decimal.whole.erase(0, std::min(decimal.whole.find_first_not_of('0'), decimal.whole.size()));
  decimal.fraction.erase(decimal.fraction.find_last_not_of('0') + 1);
  decimal.negative = decimal.negative && !decimal.zero();
  return decimal;
}

std::string Decimal::text() const {
  return (negative ? "-" : "") + (whole.empty() ? "0" : whole) + (fraction.empty() ? "" : "." + fraction);
}

int compare(const Decimal& a, const Decimal& b) {
  if (a.negative != b.negative) {
    return a.negative ? -1 : 1;
  }
  const int order = compare_magnitudes(a, b);
  return a.negative ? -order : order;
}

bool is_multiple(const Decimal& value, const Decimal& step) {
  const auto scale = std::max(value.fraction.size(), step.fraction.size());
  int64_t divisor = 0;
  const auto digits = step.whole + step.fraction;
  std::from_chars(digits.data(), digits.data() + digits.size(), divisor);
  // Both times ten to the power of `scale`; what the step lacks of it cancels with the value's.
  int64_t rest = 0;
  for (const char digit : value.whole + value.fraction) {
    rest = (rest * 10 + (digit - '0')) % divisor;
  }
  if (value.fraction.size() > step.fraction.size()) {
    return false;  // no trailing zeros: it has digits that no multiple has
  }
  for (auto i = value.fraction.size(); i < scale; ++i) {
    rest = rest * 10 % divisor;
  }
  return rest == 0;
}

bool NumberLimits::accept(const Decimal& value) const {
  if (integer && !value.fraction.empty()) {
    return false;
  }
  if (minimum && (compare(value, *minimum) < (above_minimum ? 1 : 0))) {
    return false;
  }
  if (maximum && (compare(value, *maximum) > (below_maximum ? -1 : 0))) {
    return false;
  }
  return !multiple_of || is_multiple(value, *multiple_of);
}

CharDfa number_dfa(const NumberLimits& limits) {
  CharDfa dfa;
  NumberWriter(dfa, limits, /*negative=*/false).write(0);
  dfa.states.emplace_back();
  const auto minus = static_cast<uint32_t>(dfa.states.size() - 1);
  NumberWriter(dfa, limits, /*negative=*/true).write(minus);
  dfa.states[0].edges.push_back({{'-', '-'}, minus});
  for (auto& state : dfa.states) {
    std::sort(state.edges.begin(), state.edges.end(),
              [](const auto& a, const auto& b) { return a.range.first < b.range.first; });
  }
  return intersect(dfa, complement(CharDfa{}), "a number");
}

}  // namespace dstorch::text::constraint
