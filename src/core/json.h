#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

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

/// `object[key]` as T; throws LMError{format} naming `where` and the key when it is missing or of another type.
template <typename T>
T json_get(const Json& object, const std::string& key, std::string_view where) {
  const auto it = object.find(key);
  require(it != object.end(), ErrorKind::format, "{} must have \"{}\"", where, key);
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
