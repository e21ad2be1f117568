#include "text/jinja/python_text.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <charconv>
#include <cmath>

#include "text/jinja/runtime.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace dstorch::text::jinja {
namespace {

using Type = Value::Type;

// Python's str.isprintable for one character.
bool is_printable(char32_t c) {
  if (c < 0x7F) {
    return c >= 0x20;
  }
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS:
      return false;
    default:
      return true;
  }
}

void append_quoted_point(char32_t c, char quote, std::string& out) {
  if (c == static_cast<unsigned char>(quote) || c == '\\') {
    out += '\\';
    out += static_cast<char>(c);
  } else if (c == '\n') {
    out += "\\n";
  } else if (c == '\r') {
    out += "\\r";
  } else if (c == '\t') {
    out += "\\t";
  } else if (is_printable(c)) {
    append_utf8(out, c);
  } else {
    const auto code = static_cast<uint32_t>(c);
    out += code < 0x100     ? fmt::format("\\x{:02x}", code)
           : code < 0x10000 ? fmt::format("\\u{:04x}", code)
                            : fmt::format("\\U{:08x}", code);
  }
}

void append_quoted(std::string_view text, std::string& out) {
  const bool has_single = text.find('\'') != std::string_view::npos;
  const char quote = has_single && text.find('"') == std::string_view::npos ? '"' : '\'';
  out += quote;
  for (std::size_t at = 0; at < text.size();) {
    append_quoted_point(read_utf8(text, at), quote, out);
  }
  out += quote;
}

void append_items(Runtime& runtime, const List& list, bool tuple, std::string& out) {
  out += tuple ? '(' : '[';
  for (std::size_t i = 0; i < list.items.size(); ++i) {
    out += i == 0 ? "" : ", ";
    append_repr(runtime, list.items[i], out);
  }
  if (tuple) {
    out += list.items.size() == 1 ? ",)" : ")";
  } else {
    out += ']';
  }
}

void append_dict(Runtime& runtime, const Dict& dict, std::string& out) {
  out += '{';
  bool first = true;
  for (const auto& [key, value] : dict.entries()) {
    out += first ? "" : ", ";
    first = false;
    append_repr(runtime, key, out);
    out += ": ";
    append_repr(runtime, value, out);
  }
  out += '}';
}

}  // namespace

std::string real_text(double value) {
  if (std::isnan(value)) {
    return "nan";
  }
  if (std::isinf(value)) {
    return value < 0 ? "-inf" : "inf";
  }
  char buffer[64];
  const auto scientific = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
  const std::string_view text(buffer, static_cast<std::size_t>(scientific.ptr - buffer));
  const std::size_t e = text.find('e');
  int exponent = 0;
  std::from_chars(text.data() + e + (text[e + 1] == '+' ? 2 : 1), text.data() + text.size(), exponent);
  constexpr int kFirstExponent = -4;
  constexpr int kScientificFrom = 16;
  if (exponent < kFirstExponent || exponent >= kScientificFrom) {
    return std::string(text);
  }
  const auto fixed = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed);
  std::string result(buffer, fixed.ptr);
  return result.find('.') == std::string::npos ? result + ".0" : result;
}

void append_repr(Runtime& runtime, const Value& value, std::string& out) {
  runtime.charge(1);
  const Runtime::Level level(runtime);
  const std::size_t before = out.size();
  switch (value.type) {
    case Type::string:
      if (value.str->safe) {
        out += "Markup(";
      }
      append_quoted(value.text(), out);
      out += value.str->safe ? ")" : "";
      break;
    case Type::undefined:
      out += "Undefined";
      break;
    case Type::list:
    case Type::tuple:
      append_items(runtime, *value.list, value.is(Type::tuple), out);
      break;
    case Type::dict:
      append_dict(runtime, *value.dict, out);
      break;
    default:
      append_text(runtime, value, out);
      return;
  }
  runtime.charge_text(out.size() - before);
}

void append_text(Runtime& runtime, const Value& value, std::string& out) {
  switch (value.type) {
    case Type::missing:
    case Type::undefined:
      return;
    case Type::none:
      out += "None";
      return;
    case Type::boolean:
      out += value.boolean ? "True" : "False";
      return;
    case Type::integer:
      out += std::to_string(value.integer);
      return;
    case Type::real:
      out += real_text(value.real);
      return;
    case Type::string:
      out += value.text();
      return;
    case Type::object:
      out += value.object->print(runtime);
      return;
    default:
      append_repr(runtime, value, out);
  }
}

std::string_view to_text(Runtime& runtime, const Value& value) {
  if (value.is_string()) {
    return value.text();
  }
  std::string out;
  append_text(runtime, value, out);
  runtime.charge_text(out.size());
  return runtime.arena.copy(out);
}

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&#34;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

int64_t count_points(std::string_view text) {
  int64_t count = 0;
  for (const char c : text) {
    count += (static_cast<unsigned char>(c) & 0xC0U) != 0x80U ? 1 : 0;
  }
  return count;
}

int64_t count_points(const Str& text) {
  if (text.length < 0) {
    text.length = count_points(text.text);
  }
  return text.length;
}

std::size_t byte_of_point(std::string_view text, int64_t index) {
  std::size_t at = 0;
  for (int64_t i = 0; i < index && at < text.size(); ++i) {
    at += utf8_length(text[at]);
  }
  return at;
}

bool is_python_space(char32_t c) { return is_space(c) || (c >= 0x1C && c <= 0x1F); }

std::string_view strip(std::string_view text, const std::string_view* chars, Side side) {
  const auto goes = [&](std::size_t at) {
    std::size_t end = at;
    const char32_t c = read_utf8(text, end);
    return chars == nullptr ? is_python_space(c) : chars->find(text.substr(at, end - at)) != std::string_view::npos;
  };
  while (side != Side::right && !text.empty() && goes(0)) {
    text.remove_prefix(utf8_length(text[0]));
  }
  while (side != Side::left && !text.empty()) {
    const std::size_t last = previous_utf8(text, text.size());
    if (!goes(last)) {
      break;
    }
    text = text.substr(0, last);
  }
  return text;
}

}  // namespace dstorch::text::jinja
