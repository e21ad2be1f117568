#include "io/byte_cursor.h"

namespace dstorch {

std::string Quoted::str() const {
  constexpr std::size_t kShown = 80;
  std::string result = "\"";
  for (const char c : text.substr(0, kShown)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F || c == '"' || c == '\\') {
      result += fmt::format("\\x{:02x}", byte);
    } else {
      result += c;
    }
  }
  result += text.size() > kShown ? "...\"" : "\"";
  return result;
}

}  // namespace dstorch
