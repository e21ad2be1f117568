#pragma once

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "core/throw.h"

namespace dstorch {

using Json = nlohmann::json;
/// Keeps the order of its keys, for files that people read.
using OrderedJson = nlohmann::ordered_json;

/// Deepest nesting accepted: far more than any model file has, far less than the stack holds.
inline constexpr int kMaxJsonDepth = 128;

/// Parses UTF-8 JSON. `where` names the source in errors. Throws LMError{format}.
Json parse_json(std::string_view text, std::string_view where);

/// Reads and parses a file. Throws LMError.
Json read_json(const std::filesystem::path& path);
/// The same with the keys in the file's order, for a file that goes on as another.
OrderedJson read_ordered_json(const std::filesystem::path& path);

/// Whether a JSON number can become the integer type T: whole, and in range. Large exponents and fractions cannot.
template <typename T>
bool fits_integer(const Json& number) {
  if (number.is_number_unsigned()) {
    return std::in_range<T>(number.get<uint64_t>());
  }
  if (number.is_number_integer()) {
    return std::in_range<T>(number.get<int64_t>());
  }
  constexpr double kExact = 9007199254740992.0;  // 2^53: whole numbers up to here are exact in a double
  const double value = number.get<double>();
  return value == std::floor(value) && std::abs(value) <= kExact && std::in_range<T>(static_cast<int64_t>(value));
}

/// `object[key]` as T; throws LMError{format} naming `where` and the key when it is missing or of another type.
template <typename T>
T json_get(const Json& object, const std::string& key, std::string_view where) {
  const auto it = object.find(key);
  require(it != object.end(), ErrorKind::format, "{} must have \"{}\"", where, key);
  if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
    require(it->is_number() && fits_integer<T>(*it), ErrorKind::format, "{}: \"{}\" must be a whole number, it is {}",
            where, key, it->dump().substr(0, 80));
  }
  try {
    return it->template get<T>();
  } catch (const Json::exception&) {
    fail(ErrorKind::format, "{}: \"{}\" has the wrong type: {}", where, key, it->dump().substr(0, 80));
  }
}

/// As `json_get`, but `fallback` when the key is missing or null.
template <typename T>
T json_get_or(const Json& object, const std::string& key, T fallback, std::string_view where) {
  const auto it = object.find(key);
  if (it == object.end() || it->is_null()) {
    return fallback;
  }
  return json_get<T>(object, key, where);
}

}  // namespace dstorch
