#include <fmt/core.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pcre2.h>

#include <algorithm>

#include "constraint_vocabulary.h"
#include "core/rng.h"
#include "dstorch/constraint.h"
#include "dstorch/error.h"
#include "text/constraint/char_dfa.h"
#include "text/constraint/regex_parser.h"
#include "text/constraint/sample.h"

namespace dstorch {
namespace {

using text::constraint::LanguageSampler;

/// PCRE2, where `$` is the end of the text alone and classes are of ASCII.
class Pcre2 {
 public:
  explicit Pcre2(const std::string& pattern, uint32_t options = 0) {
    int error = 0;
    PCRE2_SIZE at = 0;
    code_ = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                          PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | options, &error, &at, nullptr);
    data_ = pcre2_match_data_create(1, nullptr);
  }
  Pcre2(const Pcre2&) = delete;
  Pcre2& operator=(const Pcre2&) = delete;
  ~Pcre2() {
    pcre2_match_data_free(data_);
    pcre2_code_free(code_);
  }
  [[nodiscard]] bool finds(const std::string& text) const {
    return pcre2_match(code_, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), 0, 0, data_, nullptr) >= 0;
  }

 private:
  pcre2_code* code_ = nullptr;
  pcre2_match_data* data_ = nullptr;
};

/// A regular expression of a few characters, the same for PCRE2 and for us. `far`: some of it is counted far.
std::string random_pattern(Rng& rng, int depth, bool far = false) {
  static const std::vector<std::string> kAtoms = {"a",     "b",    "c",      "\\.",      ".",
                                                  "[ab]",  "[^a]", "[a-c]",  "\\d",      "\\w",
                                                  "\\s",   "\\D",  "[^\\w]", "\xC3\xA9", "[\xC3\xA9-\xC3\xBF]",
                                                  "\\x41", "\\n"};
  static const std::vector<std::string> kCounts = {"*",     "+",    "?",  "{2}", "{1,3}",
                                                   "{0,2}", "{2,}", "*?", "+?",  "{0,12}"};
  const auto counts = kCounts.size() - (far ? 0 : 1);
  std::string pattern;
  for (auto parts = 1 + rng.below(3); parts > 0; --parts) {
    const bool group = depth > 0 && rng.below(3) == 0;
    pattern += group ? "(" + random_pattern(rng, depth - 1, far) + ")" : kAtoms[rng.below(kAtoms.size())];
    pattern += rng.below(3) == 0 ? kCounts[rng.below(counts)] : "";
  }
  return depth > 0 && rng.below(4) == 0 ? pattern + "|" + random_pattern(rng, depth - 1, far) : pattern;
}

std::string changed(std::string text, Rng& rng) {
  static const std::vector<std::string> kParts = {"a", "b", "c", "1", ".", " ", "\n", "\xC3\xA9", "A", ""};
  auto at = rng.below(text.size() + 1);
  while (at > 0 && at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U) {
    --at;
  }
  auto end = std::min(text.size(), at + rng.below(2));
  while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) {
    ++end;
  }
  return text.substr(0, at) + kParts[rng.below(kParts.size())] + text.substr(end);
}

TEST(ConstraintRegex, AgreesWithPcre2) {
  Rng rng(11);
  int matched = 0;
  int refused = 0;
  for (int i = 0; i < 400; ++i) {
    const auto pattern = random_pattern(rng, 3, /*far=*/i % 2 == 0);
    const auto constraint = Constraint::regex(pattern);
    const Pcre2 reference(pattern, PCRE2_ANCHORED | PCRE2_ENDANCHORED);
    LanguageSampler sampler(constraint.network());
    for (int j = 0; j < 12; ++j) {
      const auto drawn = sampler.draw(rng, 12);
      const auto other = changed(drawn, rng);
      EXPECT_TRUE(reference.finds(drawn)) << pattern << "\n" << drawn;
      const bool expected = reference.finds(other);
      EXPECT_EQ(constraint.matches(other), expected) << pattern << "\n" << other;
      (expected ? matched : refused) += 1;
    }
  }
  EXPECT_GT(matched, 500);
  EXPECT_GT(refused, 500);
}

// As patterns of schemas are found anywhere in a text.
TEST(ConstraintRegex, FindsWhatPcre2Finds) {
  Rng rng(12);
  int found = 0;
  int missed = 0;
  for (int i = 0; i < 250; ++i) {
    const auto pattern = (rng.below(2) == 0 ? "^" : "") + random_pattern(rng, 2) + (rng.below(2) == 0 ? "$" : "");
    const auto dfa = text::constraint::find_dfa(text::constraint::parse_regex(pattern, "pattern"), "pattern");
    const Pcre2 reference(pattern);
    for (int j = 0; j < 12; ++j) {
      std::string text;
      for (auto length = rng.below(7); length > 0; --length) {
        text = changed(text, rng);
      }
      const bool expected = reference.finds(text);
      EXPECT_EQ(dfa.accepts(text), expected) << pattern << "\n" << text;
      (expected ? found : missed) += 1;
    }
  }
  EXPECT_GT(found, 300);
  EXPECT_GT(missed, 300);
}

TEST(ConstraintRegex, ReadsItsSyntax) {
  const auto matches = [](const char* pattern, const char* text) { return Constraint::regex(pattern).matches(text); };
  EXPECT_TRUE(matches("^a|b$", "a"));
  EXPECT_TRUE(matches("(?<year>[0-9]{4})", "2024"));
  EXPECT_TRUE(matches("(?P<year>[0-9]{4})-", "2024-"));
  EXPECT_TRUE(matches("a{,3}", "a{,3}"));
  EXPECT_TRUE(matches("[]a]+", "a]"));
  EXPECT_TRUE(matches("[a-]+", "-a"));
  EXPECT_TRUE(matches("[\\]\\\\^]+", "]\\^"));
  EXPECT_TRUE(matches("\\u00e9\\u{1F600}\\x{41}",
                      "\xC3\xA9\xF0\x9F\x98\x80"
                      "A"));
  EXPECT_TRUE(matches("", ""));
  EXPECT_FALSE(matches("a", "aa"));
  EXPECT_FALSE(matches(".", "\n"));
}

TEST(ConstraintRegex, WhatIsWrongOrNotRegularIsAnError) {
  const auto error_of = [](const std::string& pattern) -> std::string {
    try {
      static_cast<void>(Constraint::regex(pattern));
    } catch (const LMError& e) {
      return std::string(to_string(e.kind()));
    }
    return "no error";
  };
  for (const char* pattern : {"(", ")", "[", "[b-a]", "*", "a**b)", "{2}", "a{3,2}", "\\", "\\x4", "\\uD800", "(?<n",
                              "\xFF", "a{9999999999}"}) {
    EXPECT_EQ(error_of(pattern), "format") << pattern;
  }
  for (const char* pattern :
       {"(?=a)", "(?!a)", "(?<=a)", "(?i)a", "\\1(a)", "\\bword", "a++", "a^b", "(^a)*", "\\p{L}", "[[:alpha:]]"}) {
    EXPECT_EQ(error_of(pattern), "unsupported") << pattern;
  }
  EXPECT_EQ(error_of(std::string(200, '(') + std::string(200, ')')), "unsupported");
  EXPECT_EQ(error_of("[ab]{1000000}"), "unsupported");
  EXPECT_EQ(error_of("(((a{500}){500}){500}){500}"), "no error") << "parts that repeat are called, not copied";
}

}  // namespace
}  // namespace dstorch
