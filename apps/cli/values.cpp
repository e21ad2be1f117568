#include "values.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "dstorch/error.h"
#include "suggest.h"

namespace dstorch::cli {
namespace {

template <typename... Args>
[[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) {
  throw LMError(ErrorKind::invalid_argument, fmt::format(format, std::forward<Args>(args)...));
}

/// Whether all of `text` is a T.
template <typename T>
std::errc parse(std::string_view text, T& value) {
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && rest != text.data() + text.size() ? std::errc::invalid_argument : error;
}

template <typename T>
void parse_whole(const std::string& option, const std::string& text, T& value) {
  constexpr auto kLeast = std::numeric_limits<T>::min();
  const auto error = parse(text, value);
  if (error == std::errc::result_out_of_range) {
    refuse("{} must be between {} and {}, got {}", option, kLeast, std::numeric_limits<T>::max(), text);
  }
  if (error != std::errc()) {
    refuse("{} must be a whole number{}, got \"{}\"", option, kLeast == 0 ? " of at least 0" : "", text);
  }
}

}  // namespace

void parse_number(const std::string& option, const std::string& text, int& value) { parse_whole(option, text, value); }

void parse_number(const std::string& option, const std::string& text, int64_t& value) {
  parse_whole(option, text, value);
}

void parse_number(const std::string& option, const std::string& text, uint64_t& value) {
  parse_whole(option, text, value);
}

void parse_number(const std::string& option, const std::string& text, double& value) {
  if (parse(text, value) != std::errc()) {
    refuse("{} must be a number, got \"{}\"", option, text);
  }
}

std::vector<int64_t> parse_ids(const std::string& option, const std::string& text) {
  std::vector<int64_t> ids;
  for (std::size_t begin = 0; begin <= text.size();) {
    const auto end = std::min(text.find(',', begin), text.size());
    if (parse(std::string_view(text).substr(begin, end - begin), ids.emplace_back()) != std::errc()) {
      refuse("{} must be whole numbers with commas between them, as in 1,2,3; got \"{}\"", option, text);
    }
    begin = end + 1;
  }
  return ids;
}

int64_t parse_size(const std::string& option, const std::string& text) {
  double number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  std::string unit(rest, end);
  for (const char* suffix : {"iB", "B"}) {
    if (unit.size() > 1 && unit.ends_with(suffix)) {
      unit.resize(unit.size() - std::char_traits<char>::length(suffix));
    }
  }
  constexpr std::string_view kUnits = "KMGT";
  const auto power = unit.size() == 1 ? kUnits.find(static_cast<char>(unit[0] & ~0x20)) : std::string_view::npos;
  const double bytes =
      power == std::string_view::npos ? number : std::ldexp(number, 10 * (static_cast<int>(power) + 1));
  const bool valid = error == std::errc() && (unit.empty() || unit == "B" || power != std::string_view::npos) &&
                     bytes >= 1 && bytes < std::ldexp(1.0, 62);
  if (!valid) {
    refuse("{} must be a number of bytes, or one with K, M, G or T as in 500M; got \"{}\"", option, text);
  }
  return static_cast<int64_t>(bytes);
}

std::pair<int64_t, double> parse_logit_bias(const std::string& option, const std::string& text) {
  const auto colon = std::min(text.find(':'), text.size());
  std::pair<int64_t, double> bias;
  const std::string_view all = text;
  if (colon == text.size() || parse(all.substr(0, colon), bias.first) != std::errc() ||
      parse(all.substr(colon + 1), bias.second) != std::errc()) {
    refuse("{} must be ID:BIAS, as in 42:-5 or 42:-inf; got \"{}\"", option, text);
  }
  return bias;
}

CLI::Option* add_text(CLI::App& command, const std::string& name, std::string& value, const std::string& type,
                      const std::string& help) {
  return add_value(command, name, type, help,
                   [&value](const std::string& option, const std::string& text) {
                     if (text.empty()) {
                       refuse("{} must not be empty", option);
                     }
                     value = text;
                   })
      ->default_str(value);
}

CLI::Option* add_texts(CLI::App& command, const std::string& name, std::vector<std::string>& values,
                       const std::string& type, const std::string& help) {
  return add_value(command, name, type, help,
                   [&values](const std::string& option, const std::string& text) {
                     if (text.empty()) {
                       refuse("{} must not be empty", option);
                     }
                     values.push_back(text);
                   })
      ->take_all()
      ->allow_extra_args(false);
}

CLI::Option* add_choice(CLI::App& command, const std::string& name, std::string& value,
                        const std::vector<std::string>& choices, const std::string& help) {
  return add_value(command, name, fmt::format("{}", fmt::join(choices, "|")), help,
                   [&value, choices](const std::string& option, const std::string& text) {
                     if (std::find(choices.begin(), choices.end(), text) == choices.end()) {
                       refuse("{} must be {}, got \"{}\"{}", option, fmt::join(choices, " or "), text,
                              did_you_mean(text, choices));
                     }
                     value = text;
                   })
      ->default_str(value);
}

}  // namespace dstorch::cli
