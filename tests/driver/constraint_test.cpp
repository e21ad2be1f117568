// Typed answers from whole models.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "driver/test_models.h"
#include "dstorch/error.h"
#include "dstorch/torch_model.h"
#include "support/paths.h"

namespace dstorch {
namespace {

using test::load;
using testing::HasSubstr;

const auto kText = test::source_dir() / "tests/parity/fixtures/text/model";

template <typename Work>
std::string error_of(Work&& work) {
  return test::error_of(std::forward<Work>(work)).what();
}

constexpr const char* kPerson = R"({"type": "object", "properties": {
  "name": {"type": "string", "minLength": 1, "maxLength": 12},
  "age": {"type": "integer", "minimum": 0, "maximum": 130},
  "a_list_with_a_long_name": {"type": "array", "items": {"enum": ["red", "green"]}, "maxItems": 3}},
  "required": ["name", "age", "a_list_with_a_long_name"]})";

GenerationOptions typed(const Constraint& constraint, uint64_t seed, int64_t max_tokens = 100) {
  GenerationOptions options{.max_tokens = max_tokens, .temperature = 1.5, .seed = seed};
  options.constraint = constraint;
  return options;
}

TEST(TypedAnswers, AreOfTheSchemaEveryTime) {
  const auto model = load({.model_path = kText});
  const auto constraint = Constraint::json_schema(kPerson);
  for (uint64_t seed = 0; seed < 60; ++seed) {
    std::string streamed;
    auto options = typed(constraint, seed);
    options.on_token = [&](std::string_view piece) {
      streamed += piece;
      return true;
    };
    const auto result = model->complete("Somebody:", options);
    EXPECT_TRUE(constraint.matches(result.text)) << result.text;
    EXPECT_EQ(streamed, result.text);
    EXPECT_EQ(result.finish_reason, FinishReason::stop);
    const auto parsed = nlohmann::json::parse(result.text);
    EXPECT_LE(parsed["age"].get<int>(), 130);
    EXPECT_EQ(result.usage.completion_tokens, std::ssize(result.tokens));
  }
}

TEST(TypedAnswers, AreCompleteWithinAsFewTokensAsAreEnough) {
  const auto model = load({.model_path = kText});
  const auto constraint = Constraint::json_schema(kPerson);
  const auto too_few = error_of([&] { model->complete("Somebody:", typed(constraint, 1, 2)); });
  EXPECT_THAT(too_few, HasSubstr("needs "));
  const auto least = std::stoll(too_few.substr(too_few.find("needs ") + 6));
  EXPECT_THAT(error_of([&] { model->complete("Somebody:", typed(constraint, 1, least - 1)); }), HasSubstr("needs "));
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const auto result = model->complete("Somebody:", typed(constraint, seed, least + static_cast<int64_t>(seed % 3)));
    EXPECT_TRUE(constraint.matches(result.text)) << result.text;
  }
}

TEST(TypedAnswers, AreTheSameAloneAndTogether) {
  const auto model = load({.model_path = kText});
  const std::vector<Constraint> constraints = {Constraint::json_schema(kPerson), Constraint::regex("[a-z]{3,20}\\."),
                                               Constraint::json_schema("{}"),
                                               Constraint::choice(std::vector<std::string>{"yes", "no", "perhaps"})};
  std::vector<std::string> alone;
  for (std::size_t i = 0; i < 12; ++i) {
    alone.push_back(model->complete("Somebody:", typed(constraints[i % 4], i)).text);
  }
  std::vector<PendingGeneration> together;
  for (std::size_t i = 0; i < 12; ++i) {
    together.push_back(model->submit("Somebody:", typed(constraints[i % 4], i)));
  }
  for (std::size_t i = 0; i < 12; ++i) {
    EXPECT_EQ(together[i].wait().text, alone[i]);
    EXPECT_TRUE(constraints[i % 4].matches(alone[i])) << alone[i];
  }
}

TEST(TypedAnswers, WhatIsForcedIsNotAskedOfTheModel) {
  const auto model = load({.model_path = kText});
  const std::string text = "python3-yaml is a library for reading YAML";
  // All of it: the model is not asked at all.
  const auto only = model->complete("Name:", typed(Constraint::choice(std::vector<std::string>{text}), 1));
  EXPECT_EQ(only.text, text);
  EXPECT_EQ(only.finish_reason, FinishReason::stop);
  EXPECT_EQ(only.tokens, model->tokenizer()->encode(text, {.add_special_tokens = false}));
  // A beginning: as the model would have read it.
  const auto constraint = Constraint::regex("python3-yaml is [a-z]{2,9}");
  auto options = typed(constraint, 3);
  const auto jumped = model->complete("Name:", options);
  EXPECT_TRUE(constraint.matches(jumped.text)) << jumped.text;
  // With the log-probabilities of all tokens it is asked, and says the same.
  options.logprobs = 0;
  const auto asked = model->complete("Name:", options);
  EXPECT_EQ(asked.text, jumped.text);
  EXPECT_EQ(asked.tokens, jumped.tokens);
  EXPECT_EQ(asked.logprobs.size(), asked.tokens.size());
}

TEST(TypedAnswers, SayWhatDoesNotGoTogether) {
  const auto model = load({.model_path = kText});
  auto options = typed(Constraint::regex("a+"), 1);
  options.stop_sequences = {"a"};
  EXPECT_THAT(error_of([&] { model->complete("Name:", options); }), HasSubstr("stop_sequences"));
  const auto network = load({.architecture = Architecture{4, 8, 2, 1}});
  EXPECT_THAT(error_of([&] { network->complete("Name:", typed(Constraint::regex("a+"), 1)); }),
              HasSubstr("constraint"));
  const auto context = model->info().max_context;
  const auto long_text = Constraint::regex("[0-9]{" + std::to_string(4 * context) + "}");
  GenerationOptions unsaid;
  unsaid.constraint = long_text;
  EXPECT_THAT(error_of([&] { model->complete("Name:", unsaid); }), HasSubstr("context"));
}

}  // namespace
}  // namespace dstorch
