// Single points on which tokenizers were found to differ, against what Hugging Face's tokenizers, transformers and
// SentencePiece make of them (tools/make_tokenizer_values.py).
#include <gtest/gtest.h>

#include "core/json.h"
#include "dstorch/error.h"
#include "dstorch/tokenizer.h"
#include "support/paths.h"
#include "text/sentencepiece_tokenizer.h"
#include "text/test_files.h"

namespace dstorch::text {
namespace {

const Json& values() {
  static const Json all = read_json(test::source_dir() / "tests/text/data/values.json");
  return all;
}

void expect_rows(const Tokenizer& tokenizer, const Json& rows) {
  for (const auto& row : rows) {
    const auto text = row["text"].get<std::string>();
    SCOPED_TRACE(text);
    const auto ids = row["ids"].get<std::vector<int64_t>>();
    EXPECT_EQ(tokenizer.encode(text, {.add_special_tokens = false}), ids);
    if (row.contains("whole")) {
      EXPECT_EQ(tokenizer.decode(ids, false), row["whole"].get<std::string>());
    }
    if (row.contains("decoded")) {
      EXPECT_EQ(tokenizer.decode(ids, true), row["decoded"].get<std::string>());
    }
  }
}

TEST(Values, OfTokenizerJson) {
  ASSERT_GE(values()["json"].size(), 30U);
  for (const auto& one : values()["json"]) {
    SCOPED_TRACE(one["name"].get<std::string>());
    expect_rows(*Tokenizer::from_json(one["tokenizer"].dump()), one["rows"]);
  }
}

TEST(Values, OfTokenizerModel) {
  ASSERT_GE(values()["sentencepiece"].size(), 26U);
  for (const auto& one : values()["sentencepiece"]) {
    SCOPED_TRACE(one["config"].dump());
    const TemporaryFolder folder;
    const auto model = one.contains("fixture")
                           ? read_json(test::source_dir() / "tests/text/data" /
                                       (one["fixture"].get<std::string>() + ".sentencepiece.json"))["model"]
                           : one["model"];
    folder.write("tokenizer.model", from_base64(model.get<std::string>()));
    folder.write("tokenizer_config.json", one["config"].dump());
    expect_rows(*Tokenizer::load(folder.path()), one["rows"]);
  }
}

Json letters() { return values()["json"][0]["tokenizer"]; }

std::string error_of(const Json& json) {
  try {
    (void)Tokenizer::from_json(json.dump());
  } catch (const LMError& error) {
    return error.what();
  }
  return "no error";
}

TEST(Values, WhatWouldChangeTheTokensOfATextIsRefused) {
  const auto with = [](const char* key, const Json& value) {
    auto json = letters();
    json[key] = value;
    return json;
  };
  const Json cut{{"direction", "Right"}, {"max_length", 4}, {"strategy", "LongestFirst"}, {"stride", 0}};
  EXPECT_NE(error_of(with("truncation", cut)).find("\"truncation\" must be null"), std::string::npos);
  Json filled{{"strategy", {{"Fixed", 8}}}, {"direction", "Right"}, {"pad_to_multiple_of", nullptr}, {"pad_id", 0},
              {"pad_type_id", 0},           {"pad_token", "a"}};
  EXPECT_NE(error_of(with("padding", filled)).find("\"padding\" must be null"), std::string::npos);
  filled["strategy"] = "BatchLongest";
  EXPECT_EQ(error_of(with("padding", filled)), "no error");
  filled["pad_to_multiple_of"] = 8;
  EXPECT_NE(error_of(with("padding", filled)).find("\"padding\" must be null"), std::string::npos);
  auto json = letters();
  json["model"]["dropout"] = 0.0;
  EXPECT_EQ(error_of(json), "no error");
  json["model"]["dropout"] = 0.1;
  EXPECT_NE(error_of(json).find("\"model.dropout\" must be null"), std::string::npos);
}

TEST(Values, AnErrorOfAPartNamesTheFile) {
  const TemporaryFolder folder;
  const auto expect_named = [&](const char* part, const Json& value) {
    auto json = letters();
    json[part] = value;
    const auto path = folder.write("tokenizer.json", json.dump());
    try {
      (void)Tokenizer::load(path);
      ADD_FAILURE() << part << " was taken";
    } catch (const LMError& error) {
      EXPECT_TRUE(std::string_view(error.what()).starts_with(path.string() + ": ")) << error.what();
      EXPECT_EQ(std::string_view(error.what()).find(path.string(), 1), std::string_view::npos) << error.what();
    }
  };
  expect_named("normalizer", {{"type", "Other"}});
  expect_named("pre_tokenizer", {{"type", "Split"}, {"pattern", {{"Regex", "("}}}, {"behavior", "Isolated"}});
  expect_named("post_processor", {{"type", "Other"}});
  expect_named("decoder", {{"type", "Other"}});
  expect_named("added_tokens", {{{"id", "x"}, {"content", "y"}}});
  expect_named("model", {{"type", "BPE"}, {"vocab", {{"a", 0}}}, {"merges", {{"a", "b"}}}});
}

}  // namespace
}  // namespace dstorch::text
