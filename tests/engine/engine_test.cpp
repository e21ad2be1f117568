#include "engine/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "core/rng.h"
#include "engine/evaluate_tokens.h"
#include "engine/test_model.h"

namespace dstorch::engine {
namespace {

using testing::HasSubstr;

std::vector<int64_t> random_prompt(Rng& rng, int64_t most, int64_t vocab) {
  std::vector<int64_t> prompt(1 + rng.below(static_cast<uint64_t>(most)));
  for (auto& token : prompt) {
    token = static_cast<int64_t>(rng.below(static_cast<uint64_t>(vocab)));
  }
  return prompt;
}

GenerationOptions sampled() {
  GenerationOptions options;
  options.temperature = 2.0;
  options.ignore_eos = true;
  return options;
}

template <typename Work>
LMError error_of(Work&& work) {
  try {
    work();
  } catch (const LMError& e) {
    return e;
  }
  ADD_FAILURE() << "nothing was thrown";
  return {ErrorKind::internal, "nothing was thrown"};
}

// Random arrivals, lengths, cancels and little room: each answer is the one it gets alone, to the bit.
class RandomMix : public testing::TestWithParam<const char*> {};

TEST_P(RandomMix, EachGetsWhatItWouldGetAlone) {
  auto single = engine_config(GetParam());
  const auto vocab = single.model->sizes().vocab_size;
  const auto layout = single.model->kv_layout();
  Engine reference(std::move(single));
  for (const uint64_t seed : {1, 2, 3, 4}) {
    Rng rng(seed);
    auto config = engine_config(GetParam());
    config.max_running = 1 + static_cast<int64_t>(rng.below(9));
    config.step.prompt_rows = 1 + static_cast<int64_t>(rng.below(70));
    config.step.shared_prompt_rows = 1 + static_cast<int64_t>(rng.below(30));
    config.memory.kept = static_cast<int64_t>(rng.below(3)) * layout.page_bytes(0, at::kFloat);
    config.memory.kv = static_cast<int64_t>(1 + rng.below(3)) * layout.sequence_bytes(128, 128, at::kFloat);
    Engine engine(std::move(config));
    struct Case {
      std::vector<int64_t> prompt;
      int64_t max_tokens;
      uint64_t seed;
      bool cancelled;
      std::unique_ptr<Asked> asked;
    };
    std::vector<Case> cases;
    for (int i = 0; i < 24; ++i) {
      Case c{random_prompt(rng, 90, vocab), 1 + static_cast<int64_t>(rng.below(30)), rng.next(), rng.below(6) == 0, {}};
      c.asked = std::make_unique<Asked>(c.prompt, sampled(), c.max_tokens, c.seed);
      engine.submit(c.asked->sequence());
      cases.push_back(std::move(c));
      if (rng.below(3) == 0) {
        std::this_thread::sleep_for(std::chrono::microseconds(rng.below(3000)));
      }
      if (cases[rng.below(cases.size())].cancelled) {
        cases[rng.below(cases.size())].asked->cancel();
      }
    }
    for (auto& c : cases) {
      const auto tokens = c.asked->wait();
      ASSERT_TRUE(c.asked->reason.has_value());
      const auto expected = alone(reference, c.prompt, sampled(), c.max_tokens, c.seed);
      if (*c.asked->reason == FinishReason::cancelled) {
        ASSERT_LE(tokens.size(), expected.size());
        EXPECT_TRUE(std::equal(tokens.begin(), tokens.end(), expected.begin())) << "up to where it was cancelled";
      } else {
        EXPECT_EQ(tokens, expected);
      }
    }
    engine.drain();
    EXPECT_EQ(engine.pages_in_use(), 0) << "no page is lost";
  }
}

INSTANTIATE_TEST_SUITE_P(Models, RandomMix, testing::Values("llama", "qwen2_sliding", "gpt2", "smollm2_bf16"),
                         [](const auto& name) { return std::string(name.param); });

TEST(Engine, AThousandRequestsFromEightThreads) {
  auto config = engine_config("llama");
  const auto vocab = config.model->sizes().vocab_size;
  Engine engine(std::move(config));
  std::vector<std::vector<int64_t>> prompts;
  std::vector<std::vector<int64_t>> expected;
  Rng rng(7);
  for (int i = 0; i < 10; ++i) {
    prompts.push_back(random_prompt(rng, 60, vocab));
    expected.push_back(alone(engine, prompts.back(), sampled(), 12, static_cast<uint64_t>(i)));
  }
  std::atomic<int> wrong{0};
  std::atomic<int> finished{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      Rng own(static_cast<uint64_t>(100 + t));
      for (int i = 0; i < 125; ++i) {
        const auto which = own.below(prompts.size());
        Asked asked(prompts[which], sampled(), 12, which);
        engine.submit(asked.sequence());
        if (own.below(4) == 0) {
          std::this_thread::sleep_for(std::chrono::microseconds(own.below(2000)));
          asked.cancel();
        }
        const auto tokens = asked.wait();
        const auto& want = expected[which];
        const bool whole = asked.reason == FinishReason::length && tokens == want;
        const bool part = asked.reason == FinishReason::cancelled && tokens.size() <= want.size() &&
                          std::equal(tokens.begin(), tokens.end(), want.begin());
        wrong += whole || part ? 0 : 1;
        finished += whole ? 1 : 0;
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(finished, 600);
  engine.drain();
  EXPECT_EQ(engine.pages_in_use(), 0);
}

TEST(Engine, WhatCanNeverFitFailsAtOnceAndOthersWait) {
  auto config = engine_config("llama");
  config.memory.kv = config.model->kv_layout().sequence_bytes(128, 128, at::kFloat);
  config.memory.plan = [](int64_t positions) { return "the plan of " + std::to_string(positions); };
  Engine engine(std::move(config));
  const std::vector<int64_t> prompt(100, 5);
  Asked too_long(prompt, sampled(), 80, 1);
  const auto error = error_of([&] { engine.submit(too_long.sequence()); });
  EXPECT_EQ(error.kind(), ErrorKind::out_of_memory);
  EXPECT_THAT(error.what(), HasSubstr("the plan of 180"));
  EXPECT_THAT(error.what(), HasSubstr("kv_memory"));
  // Each takes all the room there is: they run one after the other, in their order.
  std::vector<std::unique_ptr<Asked>> asked;
  for (int i = 0; i < 4; ++i) {
    asked.push_back(std::make_unique<Asked>(prompt, sampled(), 20, 1));
    engine.submit(asked.back()->sequence());
  }
  const auto first = asked.front()->wait();
  EXPECT_EQ(first.size(), 20U);
  for (std::size_t i = 1; i < asked.size(); ++i) {
    EXPECT_EQ(asked[i]->wait(), first);
  }
}

TEST(Engine, AQueueThatIsFullRefuses) {
  auto config = engine_config("llama");
  config.max_waiting = 3;
  config.max_running = 1;
  Engine engine(std::move(config));
  std::vector<std::unique_ptr<Asked>> asked;
  const auto ask = [&] {
    asked.push_back(std::make_unique<Asked>(std::vector<int64_t>(8, 5), sampled(), 100, 1));
    engine.submit(asked.back()->sequence());
  };
  const auto error = error_of([&] {
    for (int i = 0; i < 20; ++i) {
      ask();
    }
  });
  EXPECT_EQ(error.kind(), ErrorKind::out_of_memory);
  EXPECT_THAT(error.what(), HasSubstr("at most 3 calls may wait"));
  asked.pop_back();
  for (const auto& each : asked) {
    EXPECT_EQ(each->wait().size(), 100U);
  }
}

TEST(Engine, ClosingEndsWhatRunsAndWaits) {
  auto config = engine_config("llama");
  config.max_running = 1;
  auto engine = std::make_unique<Engine>(std::move(config));
  std::vector<std::unique_ptr<Asked>> asked;
  for (int i = 0; i < 5; ++i) {
    asked.push_back(std::make_unique<Asked>(std::vector<int64_t>(8, 5), sampled(), 110, 1));
    engine->submit(asked.back()->sequence());
  }
  engine.reset();
  for (const auto& each : asked) {
    each->wait();
    EXPECT_EQ(each->reason, FinishReason::cancelled);
  }
}

TEST(Engine, DrainingTakesNoMoreAndFinishesWhatItHas) {
  auto config = engine_config("llama");
  Engine engine(std::move(config));
  Asked running(std::vector<int64_t>(8, 5), sampled(), 60, 1);
  engine.submit(running.sequence());
  engine.drain();
  EXPECT_TRUE(running.sequence()->finished());
  Asked late(std::vector<int64_t>(8, 5), sampled(), 60, 1);
  EXPECT_EQ(error_of([&] { engine.submit(late.sequence()); }).kind(), ErrorKind::not_initialized);
  EXPECT_EQ(running.wait().size(), 60U);
}

// The first half of a character, which nothing follows, is replaced at the end: a stop string may be there.
TEST(Engine, AnAnswersEndMayBeText) {
  const std::shared_ptr<const Tokenizer> tokenizer = Tokenizer::from_json(R"({
    "decoder": {"type": "ByteLevel"}, "model": {"type": "BPE", "vocab": {"\u00C3": 7}, "merges": []}})");
  Engine engine(engine_config("llama"));
  const auto answer = [&](const std::string& stop) {
    GenerationOptions options;
    options.temperature = 0;
    options.logit_bias = {{7, 1000.0F}};
    options.stop_sequences = {stop};
    Asked asked({5}, options, 1, 0, tokenizer);
    engine.submit(asked.sequence());
    EXPECT_EQ(asked.wait(), std::vector<int64_t>{7});
    return std::tuple(asked.text, asked.reason, asked.stop_sequence);
  };
  EXPECT_EQ(answer("\uFFFD."), std::tuple("\uFFFD", FinishReason::length, std::nullopt));
  EXPECT_EQ(answer("\uFFFD"), std::tuple("", FinishReason::stop, "\uFFFD"));
}

/// Asks for hidden states and is cancelled once it was asked about that so many times.
class StopsWhenAsked : public Sequence {
 public:
  StopsWhenAsked(std::vector<int64_t> tokens, int times)
      : Sequence(tokens, static_cast<int64_t>(tokens.size())), times_(times) {}
  [[nodiscard]] Wants wants() const override { return Wants::hidden; }
  void on_hidden(models::LanguageModel& /*model*/, const at::Tensor& hidden, int64_t /*first*/) override {
    rows += hidden.size(0);
  }
  void on_cancelled() override { ended_ = true; }
  void on_error(std::exception_ptr /*error*/) noexcept override { ended_ = true; }
  [[nodiscard]] bool finished() const override { return ended_ || pending() == 0; }
  void deliver() override {
    if (finished()) {
      over.set_value();
    }
  }
  [[nodiscard]] bool cancelled() const noexcept override { return asked_++ >= times_; }

  int64_t rows = 0;  // that the model has shown
  std::promise<void> over;

 private:
  int times_;
  mutable std::atomic<int> asked_{0};
  bool ended_ = false;
};

// A pass stops between two layers when nobody wants it any more: what it was about is as if it had not begun.
TEST(Engine, CancellingStopsAPassInside) {
  for (const int times : {1, 2, 100}) {
    Engine engine(engine_config("llama"));
    const auto sequence = std::make_shared<StopsWhenAsked>(std::vector<int64_t>(30, 5), times);
    auto over = sequence->over.get_future();
    engine.submit(sequence);
    over.wait();
    const auto whole = times == 100 ? 30 : 0;
    EXPECT_EQ(sequence->rows, whole) << times;
    EXPECT_EQ(sequence->done(), whole) << times;
  }
}

TEST(Engine, AnErrorOfOneSequenceLeavesTheOthersAlone) {
  auto config = engine_config("llama");
  Engine engine(std::move(config));
  auto impossible = sampled();
  impossible.logit_bias = {{9999, 1.0}};  // past the logits: found when there are some
  Asked bad(std::vector<int64_t>(8, 5), impossible, 30, 1);
  Asked good(std::vector<int64_t>(8, 5), sampled(), 30, 1);
  engine.submit(bad.sequence());
  engine.submit(good.sequence());
  EXPECT_EQ(good.wait().size(), 30U);
  bad.wait();
  ASSERT_TRUE(bad.error);
  EXPECT_EQ(error_of([&] { std::rethrow_exception(bad.error); }).kind(), ErrorKind::invalid_argument);
}

// Scores come beside generations, and are what they are alone.
TEST(Engine, ScoresAndGeneratesAtOnce) {
  auto config = engine_config("llama");
  Engine engine(std::move(config));
  Rng rng(3);
  std::vector<int64_t> tokens(300);
  for (auto& token : tokens) {
    token = static_cast<int64_t>(rng.below(64));
  }
  const auto expected = negative_log_likelihood(engine, tokens, {});
  const auto logits = next_logits(engine, std::span(tokens).first(50));
  const auto mean = mean_hidden(engine, std::span(tokens).first(77));
  Asked beside(std::vector<int64_t>(8, 5), sampled(), 110, 1);
  engine.submit(beside.sequence());
  EXPECT_EQ(negative_log_likelihood(engine, tokens, {}), expected);
  EXPECT_EQ(next_logits(engine, std::span(tokens).first(50)), logits);
  EXPECT_EQ(mean_hidden(engine, std::span(tokens).first(77)), mean);
  EXPECT_EQ(beside.wait().size(), 110U);
}

TEST(Engine, ScoringCanBeStopped) {
  auto config = engine_config("llama");
  Engine engine(std::move(config));
  const std::vector<int64_t> tokens(2000, 5);
  const auto error = error_of([&] { negative_log_likelihood(engine, tokens, [](const Progress&) { return false; }); });
  EXPECT_EQ(error.kind(), ErrorKind::cancelled);
}

}  // namespace
}  // namespace dstorch::engine
