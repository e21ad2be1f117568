// Every tokenizer of tests/text/data against what Hugging Face `tokenizers` makes of the same texts
// (tools/make_tokenizer_fixtures.py). DSTORCH_TOKENIZER_CASES names another folder of such files, e.g. of real
// vocabularies.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "core/json.h"
#include "dstorch/tokenizer.h"
#include "support/paths.h"
#include "text/utf8.h"

namespace dstorch {
namespace {

std::filesystem::path fixtures() {
  const char* other = std::getenv("DSTORCH_TOKENIZER_CASES");
  return other != nullptr ? std::filesystem::path(other) : test::source_dir() / "tests/text/data";
}

std::vector<std::string> names() {
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(fixtures())) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(".case.json")) {
      out.push_back(name.substr(0, name.size() - std::string_view(".case.json").size()));
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<std::string> read_texts() {
  std::vector<std::string> texts;
  for (const auto& hex : read_json(fixtures() / "texts.json").get<std::vector<std::string>>()) {
    std::string& text = texts.emplace_back();
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
      text.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
    }
  }
  return texts;
}

uint32_t checksum(const std::vector<int64_t>& ids) {
  uint32_t sum = 0;
  for (const int64_t id : ids) {
    sum = sum * 1000003U + static_cast<uint32_t>(id);
  }
  return sum;
}

std::string streamed(const std::shared_ptr<const Tokenizer>& tokenizer, const std::vector<int64_t>& ids, bool skip) {
  StreamDecoder stream(tokenizer, skip);
  std::string text;
  for (const int64_t id : ids) {
    const std::string piece = stream.push(id);
    EXPECT_TRUE(text::is_valid_utf8(piece));
    text += piece;
  }
  return text + stream.finish();
}

class TokenizerFixture : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const auto path = fixtures() / (GetParam() + ".case.json");
    cases_ = read_json(path);
    tokenizer_ = Tokenizer::from_json(cases_["tokenizer"].dump());
  }

  void expect_decoded(const std::vector<int64_t>& ids, const std::string& skipped, const std::string& whole) {
    EXPECT_EQ(tokenizer_->decode(ids, true), skipped);
    EXPECT_EQ(tokenizer_->decode(ids, false), whole);
    EXPECT_EQ(streamed(tokenizer_, ids, true), skipped);
    EXPECT_EQ(streamed(tokenizer_, ids, false), whole);
  }

  Json cases_;
  std::shared_ptr<const Tokenizer> tokenizer_;
};

TEST_P(TokenizerFixture, EncodesAndDecodesAsTheReference) {
  const auto texts = read_texts();
  ASSERT_EQ(cases_["ids"].size(), texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    SCOPED_TRACE(testing::Message() << "text " << i << ": " << text::replace_invalid_utf8(texts[i].substr(0, 200)));
    const auto ids = cases_["ids"][i].get<std::vector<int64_t>>();
    EXPECT_EQ(tokenizer_->encode(texts[i]), ids);
    const Json& plain = cases_["plain_ids"][i];
    EXPECT_EQ(tokenizer_->encode(texts[i], {.add_special_tokens = false, .parse_special_tokens = false}),
              plain.is_null() ? ids : plain.get<std::vector<int64_t>>());
    const Json& decoded = cases_["decoded"][i];
    if (decoded.is_null()) {
      const std::string same = text::replace_invalid_utf8(texts[i]);
      expect_decoded(ids, same, same);
    } else {
      expect_decoded(ids, decoded.front().get<std::string>(), decoded.back().get<std::string>());
    }
  }
}

TEST_P(TokenizerFixture, DecodesAnyIdsAsTheReference) {
  for (std::size_t i = 0; i < cases_["random_ids"].size(); ++i) {
    SCOPED_TRACE(cases_["random_ids"][i].dump());
    const Json& decoded = cases_["random_decoded"][i];
    expect_decoded(cases_["random_ids"][i].get<std::vector<int64_t>>(), decoded[0].get<std::string>(),
                   decoded[1].get<std::string>());
  }
}

TEST_P(TokenizerFixture, EncodesLongTextsAsTheReference) {
  for (const Json& item : cases_["long"]) {
    SCOPED_TRACE(item.dump());
    const auto unit = item["unit"].get<std::string>();
    std::string text;
    for (int64_t i = item["times"].get<int64_t>(); i > 0; --i) {
      text += unit;
    }
    const auto ids = tokenizer_->encode(text);
    EXPECT_EQ(static_cast<int64_t>(ids.size()), item["count"].get<int64_t>());
    EXPECT_EQ(checksum(ids), item["checksum"].get<uint32_t>());
  }
}

INSTANTIATE_TEST_SUITE_P(Data, TokenizerFixture, testing::ValuesIn(names()),
                         [](const testing::TestParamInfo<std::string>& param) { return param.param; });

}  // namespace
}  // namespace dstorch
