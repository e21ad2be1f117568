#include "text/regex.h"

#include <gtest/gtest.h>

#include "dstorch/error.h"

namespace dstorch::text {
namespace {

std::vector<std::string> matches(const std::string& pattern, const std::string& text) {
  std::vector<std::string> out;
  Regex(pattern).for_each(text,
                          [&](const Span& match) { out.push_back(text.substr(match.begin, match.end - match.begin)); });
  return out;
}

using Strings = std::vector<std::string>;

TEST(Regex, ReadsOnigurumaSyntax) {
  EXPECT_EQ(matches(R"(\h+)", "xyz12fG"), (Strings{"12f"}));
  EXPECT_EQ(matches(R"([\h&&[^0-9]]+)", "12abf9c"), (Strings{"abf", "c"}));
  EXPECT_EQ(matches(R"([a-c[x-z]]+)", "abxdzc"), (Strings{"abx", "zc"}));
  EXPECT_EQ(matches(R"([^a-c[x-z]]+)", "abxdefzc"), (Strings{"def"}));
  EXPECT_EQ(matches(R"((?m:a.b))", "a\nb"), (Strings{"a\nb"}));
  EXPECT_EQ(matches(R"(a.b)", "a\nb"), Strings{});
  EXPECT_EQ(matches(R"(^\w+$)", "ab\ncd"), (Strings{"ab", "cd"}));
  EXPECT_EQ(matches(R"(\p{Letter}+\p{Decimal_Number})", "ab1"), (Strings{"ab1"}));
  EXPECT_EQ(matches(R"(\p{^L}+)", "ab12cd"), (Strings{"12"}));
  EXPECT_EQ(matches(R"(\d{1,3}+)", "12345"), (Strings{"12345"}));
  EXPECT_EQ(matches(R"([]a]+)", "]a]b"), (Strings{"]a]"}));
  EXPECT_EQ(matches(R"([[:digit:]x]+)", "a1x2"), (Strings{"1x2"}));
}

TEST(Regex, KnowsUnicode) {
  // U+180E is no white space, U+0085 is.
  EXPECT_EQ(matches(R"(\s+)", "a\u0085\u00A0\u3000b\u180Ec"), (Strings{"\u0085\u00A0\u3000"}));
  EXPECT_EQ(matches(R"([^\s]+)", "a\u0085b"), (Strings{"a", "b"}));
  EXPECT_EQ(matches(R"([\S]+)", "a\u0085b"), (Strings{"a", "b"}));
  EXPECT_EQ(matches(R"(\w+)", "e\u0301t_\u0663-x"), (Strings{"e\u0301t_\u0663", "x"}));
  EXPECT_EQ(matches(R"([\W]+)", "ab--cd"), (Strings{"--"}));
  EXPECT_EQ(matches(R"(.)", "\U0001F600x"), (Strings{"\U0001F600", "x"}));
}

TEST(Regex, EmptyMatchesAdvance) {
  EXPECT_EQ(matches("x*", "axb"), (Strings{"", "x", ""}));
  EXPECT_EQ(matches("", "\u00E9"), (Strings{"", ""}));
}

TEST(Regex, EscapesText) {
  const std::string text = "a.b*[c]\\(d)|^$ {e}-#\n\u00E9";
  EXPECT_EQ(matches(Regex::escape(text), "xx" + text + "yy"), (Strings{text}));
}

TEST(Regex, RefusesWhatItCannotDo) {
  for (const char* pattern : {"(", "[a", "a{2,1}", "\\", "(?<=a*)b", "(*FAIL)", "\\p{Nonsense}", "\\p{L", "[a\\",
                              "\\u12", "a{2,5}+", "\\C"}) {
    try {
      const Regex regex{std::string_view(pattern)};
      FAIL() << pattern;
    } catch (const LMError& e) {
      EXPECT_TRUE(e.kind() == ErrorKind::format || e.kind() == ErrorKind::unsupported) << pattern;
    }
  }
}

TEST(Regex, GivesUpOnCatastrophicBacktracking) {
  const Regex regex("(a+)+[bc]");
  Span match;
  try {
    regex.find(std::string(200, 'a'), 0, match);
    FAIL();
  } catch (const LMError& e) {
    EXPECT_EQ(e.kind(), ErrorKind::unsupported);
  }
}

TEST(Regex, LongMatchesNeedNoStack) {
  const std::string text(300'000, 'a');
  EXPECT_EQ(matches(R"((?:a|b)+)", text).size(), 1U);
}

}  // namespace
}  // namespace dstorch::text
