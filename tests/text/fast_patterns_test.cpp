// The hand-written matchers against PCRE2 with the pattern they stand for.
#include "text/fast_patterns.h"

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <utf8proc.h>

#include "core/rng.h"
#include "text/regex.h"
#include "text/utf8.h"

namespace dstorch::text {
namespace {

class FastPatternTest : public testing::TestWithParam<FastPattern> {};

void expect_same(FastPattern pattern, const Regex& regex, const std::string& text) {
  std::vector<std::size_t> expected;
  regex.for_each(text, [&](const Span& match) { expected.push_back(match.end); });
  std::vector<std::size_t> ends;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = match_end(pattern, text, at);
    ASSERT_GT(end, at);
    ends.push_back(end);
    at = end;
  }
  ASSERT_EQ(ends, expected) << text;
}

TEST_P(FastPatternTest, IsRecognized) { EXPECT_EQ(fast_pattern(pattern_text(GetParam())), GetParam()); }

TEST_P(FastPatternTest, AgreesWithPcre2OnMixedText) {
  const Regex regex(pattern_text(GetParam()));
  Rng rng(42);
  const std::string_view parts[] = {
      "a",      "b",      "A",      "B",          "Z",      "s",          "t",      "ll",     "re",
      "'",      "'s",     "'S",     "'\u017F",    "'ve",    "'LL",        " ",      "  ",     "\n",
      "\r",     "\r\n",   "\t",     "\u00A0",     "\u3000", "\u0085",     "\u2028", "\u180E", "1",
      "23",     "456",    "\u0663", "\u00BD",     "\u2167", "!",          "?",      "/",      "//",
      "...",    "_",      "-",      "\u00E9",     "\u00C9", "\u01C5",     "\u02B0", "\u4F60", "\u597D",
      "\u0301", "\u0903", "\u20DD", "\U0001F600", "\u200D", "\U0001D400", "\x01"};
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (uint64_t i = rng.below(14) + 1; i > 0; --i) {
      text += parts[rng.below(std::size(parts))];
    }
    expect_same(GetParam(), regex, text);
    if (HasFatalFailure()) {
      return;
    }
  }
}

TEST_P(FastPatternTest, AgreesWithPcre2OnEveryCharacter) {
  const Regex regex(pattern_text(GetParam()));
  for (char32_t c = 1; c < 0x110000; ++c) {
    // The two libraries may know different versions of Unicode: only what both have assigned.
    static const Regex assigned("\\P{Cn}");
    const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
    Span match;
    if ((c >= 0xD800 && c < 0xE000) || category == UTF8PROC_CATEGORY_CN || !assigned.find(to_utf8(c), 0, match)) {
      continue;
    }
    const std::string text = fmt::format("a{0}b {0}{0}1 ", to_utf8(c));
    expect_same(GetParam(), regex, text);
    if (HasFatalFailure()) {
      return;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, FastPatternTest,
                         testing::Values(FastPattern::gpt2, FastPattern::cl100k, FastPattern::qwen2,
                                         FastPattern::o200k));

}  // namespace
}  // namespace dstorch::text
