#include "text/utf8.h"

#include <gtest/gtest.h>

#include "core/rng.h"

namespace dstorch::text {
namespace {

TEST(Utf8, ReplacesMaximalIllFormedParts) {
  // What Python's bytes.decode("utf-8", errors="replace") gives.
  EXPECT_EQ(replace_invalid_utf8("a\xFFz"), "a\uFFFDz");
  EXPECT_EQ(replace_invalid_utf8("\xE2\x82"), "\uFFFD");
  EXPECT_EQ(replace_invalid_utf8("\xE2\x82z"), "\uFFFDz");
  EXPECT_EQ(replace_invalid_utf8("\xC0\x80"), "\uFFFD\uFFFD");
  EXPECT_EQ(replace_invalid_utf8("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(replace_invalid_utf8("\xF0\x9F\x98\x80\xF0\x9F\x98"), "\U0001F600\uFFFD");
  EXPECT_EQ(replace_invalid_utf8("\xF0\x80\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(replace_invalid_utf8("\xF4\x90\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(replace_invalid_utf8("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"), "\uFFFD\uFFFD\uFFFD\uFFFD\x41");
}

TEST(Utf8, AssemblerGivesTheSameWhateverThePortions) {
  Rng rng(3);
  const std::string_view parts[] = {"a",        "\u00E9", "\u20AC",   "\U0001F600", "\xC3",
                                    "\xE2\x82", "\xFF",   "\xF0\x9F", "\x80"};
  for (int round = 0; round < 3000; ++round) {
    std::string bytes;
    for (uint64_t i = rng.below(8); i > 0; --i) {
      bytes += parts[rng.below(std::size(parts))];
    }
    std::string out;
    Utf8Assembler assembler;
    for (std::size_t at = 0; at < bytes.size();) {
      const std::size_t length = rng.below(3) + 1;
      assembler.push(std::string_view(bytes).substr(at, length), out);
      EXPECT_TRUE(is_valid_utf8(out));
      at += length;
    }
    assembler.finish(out);
    EXPECT_EQ(out, replace_invalid_utf8(bytes));
    EXPECT_EQ(is_valid_utf8(bytes), out == bytes);
  }
}

TEST(Utf8, WritesWhatItReads) {
  for (const char32_t c :
       {U'\0', U'a', U'\x7F', U'\x80', U'\u07FF', U'\u0800', U'\uFFFF', U'\U00010000', U'\U0010FFFF'}) {
    const std::string text = to_utf8(c);
    std::size_t at = 0;
    EXPECT_TRUE(is_valid_utf8(text));
    EXPECT_EQ(read_utf8(text, at), c);
    EXPECT_EQ(at, text.size());
    EXPECT_EQ(utf8_length(text[0]), text.size());
    EXPECT_EQ(previous_utf8(text, text.size()), 0U);
  }
}

}  // namespace
}  // namespace dstorch::text
