#include "text/normalizers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "dstorch/error.h"
#include "dstorch/tokenizer.h"

namespace dstorch::text {
namespace {

constexpr const char* kTooLong = "must not become more than 64 times longer, and 1024 bytes";

Json replace(const Json& pattern, const std::string& content) {
  return {{"type", "Replace"}, {"pattern", pattern}, {"content", content}};
}

Json times(int count, const Json& step) {
  return {{"type", "Sequence"}, {"normalizers", std::vector<Json>(static_cast<std::size_t>(count), step)}};
}

std::string normalized(const Json& json, const std::string& text) {
  NormalizedText out(text, 0);
  make_normalizer(json)->apply(out);
  return out.text;
}

/// What is said when `json` is asked to make `text` too long, or nothing.
std::string refusal(const Json& json, const std::string& text) {
  try {
    normalized(json, text);
    return "";
  } catch (const LMError& e) {
    EXPECT_EQ(e.kind(), ErrorKind::unsupported);
    return e.what();
  }
}

TEST(Normalizers, GrowthIsBounded) {
  const Json a = {{"String", "a"}};
  const Json any_a = {{"Regex", "a"}};
  const Json nothing = {{"Regex", ""}};
  const std::string thousand(1000, 'a');
  for (const Json& step : {replace(a, thousand), replace(any_a, thousand), replace(nothing, thousand)}) {
    EXPECT_THAT(refusal(times(6, step), "aaaa"), testing::HasSubstr(kTooLong)) << step;
    EXPECT_THAT(refusal(step, std::string(100, 'a')), testing::HasSubstr(kTooLong)) << step;
  }
  // Little by little as well.
  EXPECT_THAT(refusal(times(20, replace(a, "aa")), "aaaa"), testing::HasSubstr(kTooLong));
  EXPECT_THAT(refusal(times(12, {{"type", "ByteLevel"}}), "\u00E9\u00E9\u00E9\u00E9"), testing::HasSubstr(kTooLong));
  EXPECT_THAT(refusal({{"type", "Prepend"}, {"prepend", std::string(2000, 'x')}}, "a"), testing::HasSubstr(kTooLong));
}

/// The most memory that this process has had, in bytes.
int64_t peak_memory() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return int64_t{1024} * usage.ru_maxrss;
}

TEST(Normalizers, ATextIsRefusedBeforeItIsMade) {
  constexpr std::size_t kMany = 20'000;  // the text would have 400 MB
  const std::string content(kMany, 'b');
  for (const Json& pattern : {Json{{"String", "a"}}, Json{{"Regex", "a"}}}) {
    const auto before = peak_memory();
    EXPECT_NE(refusal(replace(pattern, content), std::string(kMany, 'a')), "");
    EXPECT_LT(peak_memory() - before, int64_t{100} << 20) << pattern;
  }
}

TEST(Normalizers, GrowsAsMuchAsTextDoes) {
  const Json a = {{"String", "a"}};
  const std::string text(1000, 'a');
  EXPECT_EQ(normalized(replace(a, std::string(65, 'b')), text).size(), 65'000U) << "64 times, and 1024 bytes";
  EXPECT_EQ(normalized(replace(a, std::string(1088, 'b')), "a").size(), 1088U);
  EXPECT_NE(refusal(replace(a, std::string(1089, 'b')), "a"), "");
  // The longest that Unicode knows: one character of three bytes to 18 of them.
  std::string ligatures;
  for (int i = 0; i < 1000; ++i) {
    ligatures += "\uFDFA";
  }
  const Json forms = {{"type", "Sequence"}, {"normalizers", {{{"type", "NFKD"}}, {{"type", "ByteLevel"}}}}};
  EXPECT_GT(normalized(forms, ligatures).size(), ligatures.size() * 20);
}

TEST(Normalizers, ATokenizerSaysIt) {
  const Json json = {{"model", {{"type", "BPE"}, {"vocab", {{"a", 0}}}, {"merges", Json::array()}}},
                     {"normalizer", times(6, replace({{"String", "a"}}, std::string(1000, 'a')))}};
  const auto tokenizer = Tokenizer::from_json(json.dump());
  try {
    tokenizer->encode("aaaa");
    FAIL();
  } catch (const LMError& e) {
    EXPECT_THAT(e.what(), testing::HasSubstr(kTooLong));
  }
}

// The same the other way round, from tokens to text.
TEST(Decoders, GrowthIsBounded) {
  const auto tokenizer = [](const Json& decoders) {
    const Json json = {{"model", {{"type", "BPE"}, {"vocab", {{"a", 0}}}, {"merges", Json::array()}}},
                       {"decoder", {{"type", "Sequence"}, {"decoders", decoders}}}};
    return Tokenizer::from_json(json.dump());
  };
  const std::vector<int64_t> ids(4, 0);
  const std::string thousand(1000, 'a');
  for (const Json& pattern : {Json{{"String", "a"}}, Json{{"Regex", "a"}}, Json{{"Regex", ""}}}) {
    const auto hostile = tokenizer(std::vector<Json>(6, replace(pattern, thousand)));
    try {
      hostile->decode(ids);
      ADD_FAILURE() << pattern;
    } catch (const LMError& e) {
      EXPECT_EQ(e.kind(), ErrorKind::unsupported);
      EXPECT_THAT(e.what(), testing::HasSubstr("must not become more than 64 times longer"));
    }
    StreamDecoder stream(hostile);
    EXPECT_THROW(stream.push(0), LMError);
  }
  const auto fine = tokenizer(Json::array({replace({{"String", "a"}}, std::string(64, 'b'))}));
  EXPECT_EQ(fine->decode(std::vector<int64_t>(1000, 0)).size(), 64'000U);
}

}  // namespace
}  // namespace dstorch::text
