#pragma once

#include <arpa/inet.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <string>

namespace dstorch::test {

/// Says whether a value is of a JSON schema: a plain reading of the standard, word by word, that shares nothing with
/// the compiler. For the words that constraints know.
class SchemaValidator {
 public:
  using Json = nlohmann::json;
  explicit SchemaValidator(Json document) : document_(std::move(document)) {}

  [[nodiscard]] bool accepts(const Json& value) const { return accepts(document_, value); }

  /// Whether a text is JSON without a key twice, and of the schema.
  [[nodiscard]] bool accepts_text(const std::string& text) const {
    std::vector<std::set<std::string>> keys;
    bool repeated = false;
    const auto value = Json::parse(
        text,
        [&](int /*depth*/, Json::parse_event_t event, Json& parsed) {
          if (event == Json::parse_event_t::object_start) {
            keys.emplace_back();
          } else if (event == Json::parse_event_t::object_end) {
            keys.pop_back();
          } else if (event == Json::parse_event_t::key) {
            repeated = !keys.back().insert(parsed.get<std::string>()).second || repeated;
          }
          return true;
        },
        /*allow_exceptions=*/false);
    return !value.is_discarded() && !repeated && accepts(value);
  }

 private:
  [[nodiscard]] bool accepts(const Json& schema, const Json& value) const {
    if (schema.is_boolean()) {
      return schema.get<bool>();
    }
    return general(schema, value) && number(schema, value) && string(schema, value) && array(schema, value) &&
           object(schema, value);
  }

  [[nodiscard]] bool general(const Json& schema, const Json& value) const {
    if (schema.contains("$ref")) {
      auto reference = schema["$ref"].get<std::string>().substr(1);
      for (std::size_t at = reference.find("%25"); at != std::string::npos; at = reference.find("%25")) {
        reference.replace(at, 3, "%");
      }
      if (!accepts(document_.at(Json::json_pointer(reference)), value)) {
        return false;
      }
    }
    if (schema.contains("type")) {
      const auto types = schema["type"].is_array() ? schema["type"] : Json::array({schema["type"]});
      if (std::none_of(types.begin(), types.end(), [&](const auto& type) { return is(type, value); })) {
        return false;
      }
    }
    if (schema.contains("const") && schema["const"] != value) {
      return false;
    }
    if (schema.contains("enum") &&
        std::find(schema["enum"].begin(), schema["enum"].end(), value) == schema["enum"].end()) {
      return false;
    }
    for (const auto& [word, least, most] :
         {std::tuple("allOf", SIZE_MAX, SIZE_MAX), std::tuple("anyOf", std::size_t{1}, SIZE_MAX),
          std::tuple("oneOf", std::size_t{1}, std::size_t{1})}) {
      if (!schema.contains(word)) {
        continue;
      }
      std::size_t held = 0;
      for (const auto& part : schema[word]) {
        held += accepts(part, value) ? 1 : 0;
      }
      if (held < std::min(least, schema[word].size()) || held > most) {
        return false;
      }
    }
    return true;
  }

  static bool is(const std::string& type, const Json& value) {
    return (type == "null" && value.is_null()) || (type == "boolean" && value.is_boolean()) ||
           (type == "number" && value.is_number()) || (type == "string" && value.is_string()) ||
           (type == "array" && value.is_array()) || (type == "object" && value.is_object()) ||
           (type == "integer" && value.is_number() && std::floor(value.get<double>()) == value.get<double>());
  }

  [[nodiscard]] static bool number(const Json& schema, const Json& value) {
    if (!value.is_number()) {
      return true;
    }
    const auto v = value.get<double>();
    const auto limit = [&](const char* word, auto holds) {
      return !schema.contains(word) || holds(schema[word].template get<double>());
    };
    return limit("minimum", [&](double x) { return v >= x; }) && limit("maximum", [&](double x) { return v <= x; }) &&
           limit("exclusiveMinimum", [&](double x) { return v > x; }) &&
           limit("exclusiveMaximum", [&](double x) { return v < x; }) && limit("multipleOf", [&](double x) {
             return value.is_number_integer() && x == std::floor(x)
                        ? value.get<int64_t>() % static_cast<int64_t>(x) == 0
                        : std::fmod(v, x) == 0;
           });
  }

  [[nodiscard]] static bool string(const Json& schema, const Json& value) {
    if (!value.is_string()) {
      return true;
    }
    const auto text = value.get<std::string>();
    const auto length = static_cast<double>(std::count_if(
        text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
    return length >= schema.value("minLength", 0.0) && length <= schema.value("maxLength", 1e18) &&
           (!schema.contains("pattern") || matches(schema["pattern"], text)) &&
           (!schema.contains("format") || has_format(schema["format"], text));
  }

  /// Character by character: std::regex reads wide strings.
  static std::wstring wide(const std::string& text) {
    std::wstring out;
    for (std::size_t i = 0; i < text.size();) {
      const auto byte = static_cast<unsigned char>(text[i]);
      const std::size_t length = byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
      wchar_t c = length == 1 ? byte : static_cast<wchar_t>(byte & (0xFFU >> (length + 1)));
      for (std::size_t j = 1; j < length; ++j) {
        c = static_cast<wchar_t>((static_cast<unsigned>(c) << 6U) | (static_cast<unsigned char>(text[i + j]) & 0x3FU));
      }
      out += c;
      i += length;
    }
    return out;
  }
  static bool matches(const std::string& pattern, const std::string& text) {
    return std::regex_search(wide(text), std::wregex(wide(pattern)));
  }

  static bool has_format(const std::string& format, const std::string& text) {
    unsigned char address[16];
    if (format == "ipv4") {
      return inet_pton(AF_INET, text.c_str(), address) == 1;
    }
    if (format == "ipv6") {
      return inet_pton(AF_INET6, text.c_str(), address) == 1;
    }
    if (format == "date") {
      return text.size() == 10 && is_date(text);
    }
    if (format == "time") {
      return is_time(text);
    }
    if (format == "date-time") {
      return text.size() > 11 && text[10] == 'T' && is_date(text.substr(0, 10)) && is_time(text.substr(11));
    }
    if (format == "uuid") {
      return matches("^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$", text);
    }
    if (format == "email") {
      return matches("^[^@\\s]+@[^@\\s]+$", text) && is_host(text.substr(text.find('@') + 1));
    }
    if (format == "hostname") {
      return is_host(text);
    }
    if (format == "uri") {
      return matches(
                 "^[a-z][a-z0-9+.-]*://[A-Za-z0-9.-]+(:[0-9]+)?(/"
                 "[^\\s?#\"<>\\\\^`{|}\\[\\]]*)?(\\?[^\\s#\"<>\\\\^`{|}\\[\\]]*)?"
                 "(#[^\\s#\"<>\\\\^`{|}\\[\\]]*)?$",
                 text) &&
             !matches("%(?![0-9A-Fa-f]{2})", text);
    }
    return format == "duration" &&
           matches("^P(?=.)([0-9]+Y)?([0-9]+M)?([0-9]+W)?([0-9]+D)?(T(?=.)([0-9]+H)?([0-9]+M)?([0-9]+S)?)?$", text);
  }
  static bool is_date(const std::string& text) {
    if (!matches("^[0-9]{4}-[0-9]{2}-[0-9]{2}$", text)) {
      return false;
    }
    const int year = std::stoi(text);
    const int month = std::stoi(text.substr(5));
    const int day = std::stoi(text.substr(8));
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    const int days[] = {31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month >= 1 && month <= 12 && day >= 1 && day <= days[month - 1];
  }
  static bool is_time(const std::string& text) {
    if (!matches("^[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})$", text)) {
      return false;
    }
    const auto zone = text.find_first_of("+-");
    return std::stoi(text) < 24 && std::stoi(text.substr(3)) < 60 && std::stoi(text.substr(6)) < 60 &&
           (zone == std::string::npos ||
            (std::stoi(text.substr(zone + 1)) < 24 && std::stoi(text.substr(zone + 4)) < 60));
  }
  static bool is_host(const std::string& text) {
    return text.size() <= 253 &&
           matches("^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$",
                   text);
  }

  [[nodiscard]] bool array(const Json& schema, const Json& value) const {
    if (!value.is_array()) {
      return true;
    }
    const auto count = static_cast<double>(value.size());
    if (count < schema.value("minItems", 0.0) || count > schema.value("maxItems", 1e18)) {
      return false;
    }
    const auto prefix = schema.contains("prefixItems") ? schema["prefixItems"] : Json::array();
    for (std::size_t i = 0; i < value.size(); ++i) {
      if (i < prefix.size() ? !accepts(prefix[i], value[i])
                            : schema.contains("items") && !accepts(schema["items"], value[i])) {
        return false;
      }
      if (schema.value("uniqueItems", false) && std::count(value.begin(), value.end(), value[i]) > 1) {
        return false;
      }
    }
    return true;
  }

  [[nodiscard]] bool object(const Json& schema, const Json& value) const {
    if (!value.is_object()) {
      return true;
    }
    const auto count = static_cast<double>(value.size());
    if (count < schema.value("minProperties", 0.0) || count > schema.value("maxProperties", 1e18)) {
      return false;
    }
    for (const auto& name : schema.value("required", Json::array())) {
      if (!value.contains(name.get<std::string>())) {
        return false;
      }
    }
    for (const auto& [name, member] : value.items()) {
      bool evaluated = false;
      if (schema.contains("properties") && schema["properties"].contains(name)) {
        evaluated = true;
        if (!accepts(schema["properties"][name], member)) {
          return false;
        }
      }
      const auto patterns = schema.value("patternProperties", Json::object());
      for (const auto& [pattern, inner] : patterns.items()) {
        if (matches(pattern, name)) {
          evaluated = true;
          if (!accepts(inner, member)) {
            return false;
          }
        }
      }
      if ((!evaluated && schema.contains("additionalProperties") && !accepts(schema["additionalProperties"], member)) ||
          (schema.contains("propertyNames") && !accepts(schema["propertyNames"], Json(name)))) {
        return false;
      }
    }
    return true;
  }

  Json document_;
};

}  // namespace dstorch::test
