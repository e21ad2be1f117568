#include "text/regex_reader.h"

#include <cctype>

#include "core/throw.h"
#include "text/regex_classes.h"
#include "text/utf8.h"

namespace dstorch::text {

void PatternReader::copy_character(std::string& to) {
  std::size_t length = utf8_length(pattern_[at_]);
  length = length > pattern_.size() - at_ ? pattern_.size() - at_ : length;
  to += pattern_.substr(at_, length);
  at_ += length;
}

std::string opposite(std::string one) {
  one[1] = one[1] == 'p' ? 'P' : 'p';
  return one;
}

PatternReader::Property PatternReader::property() {
  bool negated = pattern_[at_ + 1] == 'P';
  at_ += 2;
  const std::size_t close = pattern_.find('}', at_);
  require(close != std::string_view::npos, ErrorKind::format, "the pattern \"{}\" must close its \\p{{", shown());
  std::string_view name = pattern_.substr(at_ + 1, close - at_ - 1);
  at_ = close + 1;
  if (name.starts_with('^')) {
    negated = !negated;
    name.remove_prefix(1);
  }
  return {property_items(name), negated};
}

std::string PatternReader::code_point() {
  require(at_ + 6 <= pattern_.size(), ErrorKind::format, "the pattern \"{}\" must have four digits after \\u", shown());
  std::string out = "\\x{" + std::string(pattern_.substr(at_ + 2, 4)) + "}";
  at_ += 6;
  return out;
}

std::string PatternReader::other_escape(std::string_view known) {
  const char c = pattern_[at_ + 1];
  std::string out;
  if (is_ascii_letter(c) && known.find(c) == std::string_view::npos) {
    ++at_;
    copy_character(out);
    return out;
  }
  copy_character(out);
  copy_character(out);
  if ((c == 'x' || c == 'o') && rest().starts_with('{')) {
    const std::size_t close = pattern_.find('}', at_);
    require(close != std::string_view::npos, ErrorKind::format, "the pattern \"{}\" must close its \\{}{{", shown(), c);
    out += pattern_.substr(at_, close + 1 - at_);
    at_ = close + 1;
  } else if (c == 'x') {
    copy_while(out, 2, [](char digit) { return std::isxdigit(static_cast<unsigned char>(digit)) != 0; });
  } else if (std::isdigit(static_cast<unsigned char>(c)) != 0) {
    copy_while(out, 2, [](char digit) { return std::isdigit(static_cast<unsigned char>(digit)) != 0; });
  } else if ((c == 'k' || c == 'g') && rest().starts_with('<')) {
    copy_while(out, rest().find('>') + 1, [](char) { return true; });
  } else if (c == 'c') {
    copy_while(out, 1, [](char) { return true; });
  }
  return out;
}

}  // namespace dstorch::text
