#include "text/byte_level.h"

#include <array>

#include "text/utf8.h"

namespace dstorch::text {
namespace {

constexpr char32_t kFirstStandIn = 0x100;

struct Alphabet {
  std::array<char32_t, 256> to_char{};
  // 256 bytes in Latin-1 and the 68 stand-ins.
  std::array<int16_t, 324> to_byte{};

  constexpr Alphabet() {
    for (auto& byte : to_byte) {
      byte = -1;
    }
    char32_t stand_in = kFirstStandIn;
    for (unsigned byte = 0; byte < 256; ++byte) {
      const bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
      to_char[byte] = printable ? static_cast<char32_t>(byte) : stand_in++;
      to_byte[to_char[byte]] = static_cast<int16_t>(byte);
    }
  }
};

constexpr Alphabet kAlphabet;

}  // namespace

char32_t byte_to_char(uint8_t byte) noexcept { return kAlphabet.to_char[byte]; }

int char_to_byte(char32_t c) noexcept { return c < kAlphabet.to_byte.size() ? kAlphabet.to_byte[c] : -1; }

void append_byte_level(std::string_view bytes, std::string& out) {
  for (const char byte : bytes) {
    append_utf8(out, byte_to_char(static_cast<uint8_t>(byte)));
  }
}

void append_from_byte_level(std::string_view token, std::string& out) {
  const std::size_t before = out.size();
  for (std::size_t at = 0; at < token.size();) {
    const int byte = char_to_byte(read_utf8(token, at));
    if (byte < 0) {
      out.resize(before);
      out += token;
      return;
    }
    out.push_back(static_cast<char>(byte));
  }
}

}  // namespace dstorch::text
