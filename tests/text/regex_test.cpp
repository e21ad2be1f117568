#include "text/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pcre2.h>

#include <ctime>
#include <thread>

#include "core/rng.h"
#include "dstorch/error.h"
#include "text/match_budget.h"
#include "text/utf8.h"

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
  for (const char* pattern : {"(", "[a", "\\", "(?<=a*)b", "(*FAIL)", "\\p{Nonsense}", "\\p{L", "[a\\", "\\u12", "\\C",
                              "\\y", "(?s:a)", "(?~|a|b)", "[[:nonsense:]]"}) {
    try {
      const Regex regex{std::string_view(pattern)};
      FAIL() << pattern;
    } catch (const LMError& e) {
      EXPECT_TRUE(e.kind() == ErrorKind::format || e.kind() == ErrorKind::unsupported) << pattern;
    }
  }
}

/// Processor time of this thread, in seconds.
double processor_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

TEST(Regex, GivesUpOnWhatTakesTooLongAndNamesIt) {
  const std::string many(300'000, 'a');
  const std::vector<std::pair<std::string, std::string>> slow{
      {"(a+)+[bc]", std::string(200, 'a')},
      // Each match is short and quick to find, but for a look to the end of the line.
      {R"((?=[^\n]*z)a|a)", many},
      // The same within one match, and without going back.
      {R"((?:(?=[^\n]*+z)a|a)+)", many},
      // To the end from each place where a match could begin, and from each place on the way.
      {R"([^\n]*[yz])", many},
      {"a*a*[bc]", many},
  };
  for (const auto& [pattern, text] : slow) {
    const Regex regex{std::string_view(pattern)};
    const double begin = processor_seconds();
    try {
      regex.for_each(text, [](const Span&) {});
      ADD_FAILURE() << pattern << " was matched in " << processor_seconds() - begin << " s";
    } catch (const LMError& e) {
      EXPECT_EQ(e.kind(), ErrorKind::unsupported);
      EXPECT_THAT(e.what(), testing::HasSubstr("the pattern \"" + pattern + "\" cannot be matched on "));
    }
    EXPECT_LT(processor_seconds() - begin, 1.5 + 3e-6 * static_cast<double>(text.size())) << pattern;
  }
}

TEST(Regex, ManyTextsShareOneBudget) {
  const Regex regex(R"((?=[^\n]*z)a|a)");
  const std::string text(20'000, 'a');  // 0.1 s or so
  const double begin = processor_seconds();
  const MatchBudget budget(text.size());
  try {
    for (int i = 0; i < 1000; ++i) {
      regex.for_each(text, [](const Span&) {});
    }
    FAIL() << "all of them were matched";
  } catch (const LMError& e) {
    EXPECT_THAT(e.what(), testing::HasSubstr("it takes longer than a second and two microseconds a byte"));
  }
  EXPECT_LT(processor_seconds() - begin, 3);
}

TEST(Regex, ABudgetIsOfOneThreadAndEndsWithItsScope) {
  EXPECT_FALSE(MatchBudget::spent());
  {
    const MatchBudget budget(0);
    { const MatchBudget inner(0); }
    const double begin = processor_seconds();
    bool spent = false;
    while (!spent && processor_seconds() - begin < 3) {
      spent = MatchBudget::spent();
    }
    EXPECT_TRUE(spent);
    EXPECT_GT(processor_seconds() - begin, 0.9);
    // No pattern begins another text then, however quick it is, near or far.
    for (const char* pattern : {"a", "a+$"}) {
      EXPECT_THROW(Regex(std::string_view(pattern)).for_each(std::string(5000, 'a'), [](const Span&) {}), LMError);
    }
    bool elsewhere = true;
    std::thread([&] {
      for (int i = 0; i < 100; ++i) {
        elsewhere = MatchBudget::spent();
      }
    }).join();
    EXPECT_FALSE(elsewhere);
  }
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(MatchBudget::spent());
  }
}

/// All matches that PCRE2 itself finds in the whole text at once.
std::vector<std::pair<std::size_t, std::size_t>> plain_matches(const std::string& pattern, const std::string& text) {
  int error = 0;
  PCRE2_SIZE offset = 0;
  const auto translated = translate_regex(pattern);
  auto* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                             PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE, &error, &offset, nullptr);
  auto* data = pcre2_match_data_create(1, nullptr);
  std::vector<std::pair<std::size_t, std::size_t>> out;
  std::size_t last_end = std::string::npos;
  for (std::size_t from = 0; from <= text.size();) {
    if (pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from, 0, data, nullptr) < 0) {
      break;
    }
    const auto* pair = pcre2_get_ovector_pointer(data);
    if (pair[0] == pair[1] && pair[1] == last_end) {
      from += from < text.size() ? utf8_length(text[from]) : 1;
      continue;
    }
    out.emplace_back(pair[0], pair[1]);
    from = last_end = pair[1];
  }
  pcre2_match_data_free(data);
  pcre2_code_free(code);
  return out;
}

// Searches run in windows; what they find must not depend on where the edges of these fall.
TEST(Regex, FindsWhatOneSearchThroughTheWholeTextFinds) {
  const std::vector<std::string> patterns{
      "a+",       "b",          "a*",     "",           "(?=b)",   "(?!a)",     "$",
      "^",        "a$",         R"(\b)",  R"(\Bb)",     "(?<=a)b", "(?<!a)b",   R"(\s+(?!\S)|\s+)",
      "a(?=a*b)", "a{3,300}?b", "[^b]*b", R"(\u00E9+)", "(a)(b)?", R"((\w)\1)", R"(\z)",
      R"(a*\Z)",  "b|$",        "(?m:.)", R"(\X)",      "(?>a+)b", R"(\Ga)"};
  Rng random(7);
  for (const auto& pattern : patterns) {
    const Regex regex{std::string_view(pattern)};
    for (int round = 0; round < 60; ++round) {
      // Runs of one character, of lengths around those of a window.
      constexpr const char* kCharacters[] = {"a", "b", " ", "\n", "\u00E9", "\U0001F600"};
      std::string text;
      for (uint64_t run = random.below(8); run-- > 0;) {
        const auto* character = kCharacters[random.below(6)];
        for (uint64_t n = random.below(2) == 0 ? 1 + random.below(3) : 60 + random.below(300); n-- > 0;) {
          text += character;
        }
      }
      std::vector<std::pair<std::size_t, std::size_t>> found;
      regex.for_each(text, [&](const Span& match) { found.emplace_back(match.begin, match.end); });
      ASSERT_EQ(found, plain_matches(pattern, text)) << '"' << pattern << "\" on \"" << text << '"';
    }
  }
}

TEST(Regex, LongMatchesNeedNoStack) {
  const std::string text(300'000, 'a');
  EXPECT_EQ(matches(R"((?:a|b)+)", text).size(), 1U);
}

}  // namespace
}  // namespace dstorch::text
