#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace dstorch::text {

/// GPT-2's alphabet: every byte written as one printable character. Bytes that are printable in Latin-1 stand for
/// themselves, the others for U+0100, U+0101, ... in order (github.com/openai/gpt-2, encoder.py, bytes_to_unicode).
char32_t byte_to_char(uint8_t byte) noexcept;
/// The byte that `c` stands for, or -1.
int char_to_byte(char32_t c) noexcept;

/// Appends `bytes` written in the alphabet.
void append_byte_level(std::string_view bytes, std::string& out);
/// Appends the bytes that `token` stands for; `token` itself when one of its characters is not in the alphabet.
void append_from_byte_level(std::string_view token, std::string& out);

}  // namespace dstorch::text
