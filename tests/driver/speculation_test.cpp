// Guessing answers ahead, as programs see it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "driver/test_models.h"
#include "dstorch/dstorch.h"
#include "support/paths.h"

namespace dstorch {
namespace {

using test::error_of;
using test::greedy;
using test::load;
using testing::HasSubstr;

const auto kFixtures = test::source_dir() / "tests/parity/fixtures";
const auto kLlama = kFixtures / "llama/model";
const auto kText = kFixtures / "text/model";

/// Says the same again and again.
std::vector<int64_t> rounds(int64_t count) {
  std::vector<int64_t> prompt(static_cast<std::size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    prompt[static_cast<std::size_t>(i)] = 3 + i % 5;
  }
  return prompt;
}

GenerationOptions with(GenerationOptions options, Speculation speculation) {
  options.speculation = speculation;
  return options;
}

TEST(Speculation, TimingsSayWhatWasGuessedAndWhatCame) {
  const auto model = load({.model_path = kLlama});
  const auto plain = model->complete(rounds(20), with(greedy(100), Speculation::off));
  EXPECT_EQ(plain.timings.drafted_tokens, 0);
  EXPECT_EQ(plain.timings.accepted_tokens, 0);
  const auto guessed = model->complete(rounds(20), with(greedy(100), Speculation::lookup));
  EXPECT_EQ(guessed.tokens, plain.tokens);
  EXPECT_GT(guessed.timings.accepted_tokens, 20);
  EXPECT_GE(guessed.timings.drafted_tokens, guessed.timings.accepted_tokens);
  EXPECT_EQ(guessed.timings.token_seconds.size(), 100U);
  EXPECT_EQ(model->complete(rounds(20), greedy(100)).tokens, plain.tokens) << "by itself";
}

TEST(Speculation, SeveralSampledAnswersAreThoseOfTheirSeeds) {
  const auto model = load({.model_path = kLlama});
  auto options = greedy(60);
  options.temperature = 0.5;
  options.logprobs = 2;
  options.seed = 11;
  const auto plain = model->complete_all(rounds(30), 5, with(options, Speculation::off));
  const auto guessed = model->complete_all(rounds(30), 5, with(options, Speculation::lookup));
  for (std::size_t i = 0; i < plain.size(); ++i) {
    EXPECT_EQ(guessed[i].tokens, plain[i].tokens);
    ASSERT_EQ(guessed[i].logprobs.size(), plain[i].logprobs.size());
    for (std::size_t j = 0; j < plain[i].logprobs.size(); ++j) {
      EXPECT_EQ(guessed[i].logprobs[j].logprob, plain[i].logprobs[j].logprob);
      EXPECT_EQ(guessed[i].logprobs[j].top, plain[i].logprobs[j].top);
    }
  }
  EXPECT_NE(plain[0].tokens, plain[1].tokens);
}

TEST(Speculation, PiecesOfTextAddUpToTheSameAnswer) {
  const auto model = load({.model_path = kText});
  for (const auto& stop : {std::vector<std::string>{}, std::vector<std::string>{"e", "the end"}}) {
    GenerationOptions options{.max_tokens = 80, .temperature = 0.8, .seed = 3, .stop_sequences = stop};
    const auto plain = model->complete("the cat, the cat, the cat, ", with(options, Speculation::off));
    std::string text;
    options.on_token = [&](std::string_view piece) {
      text += piece;
      return true;
    };
    const auto guessed = model->complete("the cat, the cat, the cat, ", with(options, Speculation::lookup));
    EXPECT_EQ(guessed.text, plain.text);
    EXPECT_EQ(text, plain.text);
    EXPECT_EQ(guessed.finish_reason, plain.finish_reason);
    EXPECT_EQ(guessed.stop_sequence, plain.stop_sequence);
  }
}

TEST(Speculation, AnAnswerCanBeStoppedByItsReader) {
  const auto model = load({.model_path = kText});
  int pieces = 0;
  auto options = with(greedy(200), Speculation::lookup);
  options.on_token = [&](std::string_view) { return ++pieces < 3; };
  const auto result = model->complete("the cat, the cat, the cat, ", options);
  EXPECT_EQ(result.finish_reason, FinishReason::cancelled);
  EXPECT_EQ(pieces, 3);
}

TEST(Speculation, ManyThreadsGetWhatTheyWouldGetAlone) {
  const auto model = load({.model_path = kLlama});
  std::vector<std::vector<int64_t>> expected;
  for (int64_t i = 0; i < 6; ++i) {
    expected.push_back(model->complete(rounds(10 + i), with(greedy(60), Speculation::off)).tokens);
  }
  std::vector<std::thread> threads;
  for (int64_t i = 0; i < 6; ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < 4; ++round) {
        const auto how = round % 2 == 0 ? Speculation::lookup : Speculation::automatic;
        EXPECT_EQ(model->complete(rounds(10 + i), with(greedy(60), how)).tokens, expected[static_cast<std::size_t>(i)]);
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
}

TEST(Speculation, IsRefusedWhereItCouldChangeAnAnswer) {
  const auto model = load({.model_path = kLlama, .dtype = DType::float64});
  const auto error = error_of([&] { model->complete(rounds(20), with(greedy(20), Speculation::lookup)); });
  EXPECT_EQ(error.kind(), ErrorKind::unsupported);
  EXPECT_THAT(error.what(), HasSubstr("speculation lookup needs"));
  EXPECT_THAT(error.what(), HasSubstr("take automatic or off"));
  EXPECT_EQ(model->complete(rounds(20), greedy(60)).timings.drafted_tokens, 0);
}

TEST(Speculation, StaysWithinTheMemoryLimit) {
  const auto expected = load({.model_path = kLlama})->complete(rounds(30), with(greedy(90), Speculation::off)).tokens;
  const auto least = plan_memory({.model_path = kLlama}, {.context = 120}).total;
  for (const int64_t more : {8192, 20'000, 100'000}) {
    const auto limit = least + more;
    const auto model = load({.model_path = kLlama, .memory_limit = limit});
    EXPECT_EQ(model->complete(rounds(30), with(greedy(90), Speculation::lookup)).tokens, expected);
    EXPECT_LE(model->memory().total.peak, limit);
  }
}

TEST(Speculation, HasNames) {
  for (const auto speculation : {Speculation::automatic, Speculation::lookup, Speculation::off}) {
    EXPECT_EQ(parse_speculation(to_string(speculation)), speculation);
  }
  EXPECT_EQ(parse_speculation("on"), std::nullopt);
}

}  // namespace
}  // namespace dstorch
