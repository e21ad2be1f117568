#include "text/utf8.h"

#include <cstring>

namespace dstorch::text {

Utf8Step next_utf8(std::string_view text) noexcept {
  using Kind = Utf8Step::Kind;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) {
    return {Kind::valid, 1};
  }
  if (first < 0xC2 || first > 0xF4) {
    return {Kind::invalid, 1};
  }
  const std::size_t length = utf8_length(text[0]);
  // The second byte alone excludes overlong forms, surrogates and what is beyond U+10FFFF.
  unsigned char low = 0x80;
  unsigned char high = 0xBF;
  if (first == 0xE0) {
    low = 0xA0;
  } else if (first == 0xED) {
    high = 0x9F;
  } else if (first == 0xF0) {
    low = 0x90;
  } else if (first == 0xF4) {
    high = 0x8F;
  }
  for (std::size_t i = 1; i < length; ++i) {
    if (i == text.size()) {
      return {Kind::incomplete, i};
    }
    if (byte(i) < low || byte(i) > high) {
      return {Kind::invalid, i};
    }
    low = 0x80;
    high = 0xBF;
  }
  return {Kind::valid, length};
}

namespace {

// Where the first byte that is not ASCII stands, or the end.
std::size_t skip_ascii(std::string_view text, std::size_t at) noexcept {
  constexpr std::uint64_t kHighBits = 0x8080808080808080U;
  while (at + 8 <= text.size()) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + at, 8);
    if ((word & kHighBits) != 0) {
      break;
    }
    at += 8;
  }
  while (at < text.size() && static_cast<unsigned char>(text[at]) < 0x80) {
    ++at;
  }
  return at;
}

}  // namespace

bool is_valid_utf8(std::string_view text) noexcept {
  for (std::size_t at = skip_ascii(text, 0); at < text.size();) {
    const Utf8Step step = next_utf8(text.substr(at));
    if (step.kind != Utf8Step::Kind::valid) {
      return false;
    }
    at += step.length;
    if (at < text.size() && static_cast<unsigned char>(text[at]) < 0x80) {
      at = skip_ascii(text, at);
    }
  }
  return true;
}

std::string replace_invalid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  Utf8Assembler assembler;
  assembler.push(text, out);
  assembler.finish(out);
  return out;
}

void append_utf8(std::string& out, char32_t c) {
  const auto put = [&](char32_t byte) { out.push_back(static_cast<char>(static_cast<unsigned char>(byte))); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0U | (c >> 6U));
    put(0x80U | (c & 0x3FU));
  } else if (c < 0x10000) {
    put(0xE0U | (c >> 12U));
    put(0x80U | ((c >> 6U) & 0x3FU));
    put(0x80U | (c & 0x3FU));
  } else {
    put(0xF0U | (c >> 18U));
    put(0x80U | ((c >> 12U) & 0x3FU));
    put(0x80U | ((c >> 6U) & 0x3FU));
    put(0x80U | (c & 0x3FU));
  }
}

std::string to_utf8(char32_t c) {
  std::string out;
  append_utf8(out, c);
  return out;
}

void Utf8Assembler::push(std::string_view bytes, std::string& out) {
  if (!pending_.empty()) {
    // Complete the unfinished character byte by byte; the rest then needs no copy.
    while (!pending_.empty() && !bytes.empty()) {
      pending_.push_back(bytes.front());
      bytes.remove_prefix(1);
      while (!pending_.empty()) {
        const Utf8Step step = next_utf8(pending_);
        if (step.kind == Utf8Step::Kind::incomplete) {
          break;
        }
        out += step.kind == Utf8Step::Kind::valid ? std::string_view(pending_).substr(0, step.length) : kReplacement;
        pending_.erase(0, step.length);
      }
    }
  }
  std::size_t at = 0;
  std::size_t copied = 0;  // bytes before it are in `out`
  while ((at = skip_ascii(bytes, at)) < bytes.size()) {
    const Utf8Step step = next_utf8(bytes.substr(at));
    if (step.kind == Utf8Step::Kind::valid) {
      at += step.length;
      continue;
    }
    out += bytes.substr(copied, at - copied);
    copied = at + step.length;
    at = copied;
    if (step.kind == Utf8Step::Kind::incomplete) {
      pending_ = bytes.substr(at - step.length);
      return;
    }
    out += kReplacement;
  }
  out += bytes.substr(copied);
}

void Utf8Assembler::finish(std::string& out) {
  if (!pending_.empty()) {
    out += kReplacement;
    pending_.clear();
  }
}

}  // namespace dstorch::text
