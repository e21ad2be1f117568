#include "text/jinja/split_text.h"

#include <algorithm>

#include "text/jinja/python_text.h"
#include "text/jinja/runtime.h"
#include "text/utf8.h"

namespace dstorch::text::jinja {
namespace {

// Bytes of the line break that begins at `at`; 0 without one.
std::size_t break_length(std::string_view text, std::size_t at) {
  if (text[at] == '\r' && at + 1 < text.size() && text[at + 1] == '\n') {
    return 2;
  }
  std::size_t end = at;
  const char32_t c = read_utf8(text, end);
  const bool breaks = (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
  return breaks ? end - at : 0;
}

}  // namespace

std::vector<std::string_view> split_on(std::string_view text, std::string_view separator, int64_t most,
                                       bool from_right) {
  std::vector<std::string_view> parts;
  while (most < 0 || static_cast<int64_t>(parts.size()) < most) {
    const std::size_t at = from_right ? text.rfind(separator) : text.find(separator);
    if (at == std::string_view::npos) {
      break;
    }
    const std::string_view before = text.substr(0, at);
    const std::string_view after = text.substr(at + separator.size());
    parts.push_back(from_right ? after : before);
    text = from_right ? before : after;
  }
  parts.push_back(text);
  if (from_right) {
    std::reverse(parts.begin(), parts.end());
  }
  return parts;
}

std::vector<std::string_view> split_on_space(std::string_view text, int64_t most, bool from_right) {
  const auto space_at = [&](std::size_t at) { return is_python_space(read_utf8(text, at)); };
  const Side side = from_right ? Side::right : Side::left;
  std::vector<std::string_view> parts;
  for (text = strip(text, nullptr, side); !text.empty(); text = strip(text, nullptr, side)) {
    if (most >= 0 && static_cast<int64_t>(parts.size()) >= most) {
      parts.push_back(text);
      break;
    }
    if (from_right) {
      std::size_t begin = text.size();
      while (begin > 0 && !space_at(previous_utf8(text, begin))) {
        begin = previous_utf8(text, begin);
      }
      parts.push_back(text.substr(begin));
      text = text.substr(0, begin);
    } else {
      std::size_t end = 0;
      while (end < text.size() && !space_at(end)) {
        end += utf8_length(text[end]);
      }
      parts.push_back(text.substr(0, end));
      text = text.substr(end);
    }
  }
  if (from_right) {
    std::reverse(parts.begin(), parts.end());
  }
  return parts;
}

std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends) {
  std::vector<std::string_view> lines;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = break_length(text, at);
    if (length == 0) {
      at += utf8_length(text[at]);
      continue;
    }
    lines.push_back(text.substr(begin, at - begin + (keep_ends ? length : 0)));
    at += length;
    begin = at;
  }
  if (begin < text.size()) {
    lines.push_back(text.substr(begin));
  }
  return lines;
}

std::string replace_all(Runtime& runtime, std::string_view text, std::string_view old, std::string_view with,
                        int64_t most) {
  std::string out;
  std::size_t from = 0;
  std::size_t at = text.find(old);
  for (int64_t done = 0; at != std::string_view::npos && (most < 0 || done < most); ++done) {
    out.append(text.substr(from, at - from)).append(with);
    runtime.charge(1 + with.size() / 8);
    runtime.check_text(out.size());
    from = at + old.size();
    if (!old.empty()) {
      at = text.find(old, from);
    } else if (at == text.size()) {
      break;
    } else {
      // Between all characters.
      at += utf8_length(text[at]);
    }
  }
  out.append(text.substr(from));
  return out;
}

}  // namespace dstorch::text::jinja
