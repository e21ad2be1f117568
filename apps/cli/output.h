#pragma once

#include <fmt/core.h>

#include <nlohmann/json_fwd.hpp>
#include <string_view>
#include <utility>

namespace dstorch::cli {

/// Makes sure that files opened later do not get the number of a standard stream that the caller closed: they would
/// receive what is printed. Reading or writing such a stream fails from here on. First thing in main().
void guard_standard_streams();

/// Writes to standard output. Throws LMError{io} when it cannot be written: full, closed.
void print(std::string_view text);

template <typename First, typename... Rest>
void print(fmt::format_string<First, Rest...> format, First&& first, Rest&&... rest) {
  print(std::string_view(fmt::format(format, std::forward<First>(first), std::forward<Rest>(rest)...)));
}

/// One line of JSON; what is no UTF-8 in it becomes U+FFFD.
void print_json(const nlohmann::ordered_json& json);

/// Hands what was printed so far to the system. Throws as `print`.
void flush_output();

}  // namespace dstorch::cli
