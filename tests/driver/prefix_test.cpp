// Finding prefixes again, as programs see it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "support/paths.h"
#include "test_models.h"

namespace dstorch {
namespace {

using test::greedy;
using test::load;

const auto kLlama = test::source_dir() / "tests/parity/fixtures/llama/model";

std::vector<int64_t> prompt_of(int64_t count, int64_t first = 3) {
  std::vector<int64_t> prompt(static_cast<std::size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    prompt[static_cast<std::size_t>(i)] = (first + 7 * i) % 60;
  }
  return prompt;
}

TEST(PrefixCache, UsageAndMemorySayWhatWasFound) {
  const auto model = load({.model_path = kLlama});
  const auto prompt = prompt_of(100);
  const auto first = model->complete(prompt, greedy(20));
  const auto second = model->complete(prompt, greedy(20));
  EXPECT_EQ(first.usage.cached_tokens, 0);
  EXPECT_EQ(second.usage.cached_tokens, 99);
  EXPECT_EQ(second.usage.prompt_tokens, 100);
  EXPECT_EQ(second.tokens, first.tokens);
  const auto memory = model->memory();
  EXPECT_EQ(memory.prefixes.tokens_asked, 200);
  EXPECT_EQ(memory.prefixes.tokens_found, 99);
  EXPECT_EQ(memory.prefixes.pages, 2) << "119 positions";
  EXPECT_EQ(memory.prefixes.bytes, memory[MemoryKind::kv_cache].bytes);
  model->cleanup();
  EXPECT_EQ(model->memory().prefixes.pages, 0);
  EXPECT_EQ(model->memory().total.bytes, 0);
  model->init();
  EXPECT_EQ(model->complete(prompt, greedy(20)).usage.cached_tokens, 0);
}

TEST(PrefixCache, CanBeTurnedOff) {
  const auto model = load({.model_path = kLlama, .prefix_cache = false});
  for (int time = 0; time < 2; ++time) {
    EXPECT_EQ(model->complete(prompt_of(100), greedy(20)).usage.cached_tokens, 0);
    EXPECT_EQ(model->memory()[MemoryKind::kv_cache].bytes, 0);
  }
  EXPECT_EQ(model->memory().prefixes.tokens_asked, 0);
}

TEST(PrefixCache, StaysWithinKvMemoryAndTheLimit) {
  const auto page = plan_memory({.model_path = kLlama}, {.context = 64})[MemoryKind::kv_cache];
  const auto model = load({.model_path = kLlama, .kv_memory = 3 * page});
  for (int64_t i = 0; i < 8; ++i) {
    model->complete(prompt_of(100, i), greedy(20));
    EXPECT_LE(model->memory()[MemoryKind::kv_cache].bytes, 3 * page);
  }
  EXPECT_EQ(model->memory()[MemoryKind::kv_cache].peak, 3 * page);
  const auto limit = plan_memory({.model_path = kLlama}, {.context = 128}).total + page;
  const auto limited = load({.model_path = kLlama, .memory_limit = limit});
  for (int64_t i = 0; i < 8; ++i) {
    limited->complete(prompt_of(100, i), greedy(20));
    EXPECT_LE(limited->memory().total.peak, limit);
  }
  EXPECT_GT(limited->memory().prefixes.pages, 0);
}

TEST(SeveralAnswers, EachIsThatOfItsSeedAndThePromptIsReadOnce) {
  const auto model = load({.model_path = kLlama});
  const auto plain = load({.model_path = kLlama, .prefix_cache = false});
  const auto prompt = prompt_of(90);
  auto options = greedy(20);
  options.temperature = 1.5;
  options.seed = 41;
  const auto answers = model->complete_all(prompt, 5, options);
  ASSERT_EQ(answers.size(), 5U);
  EXPECT_EQ(answers[0].usage.cached_tokens, 0);
  for (std::size_t i = 0; i < answers.size(); ++i) {
    EXPECT_EQ(answers[i].seed, 41 + i);
    options.seed = 41 + i;
    EXPECT_EQ(answers[i].tokens, plain->complete(prompt, options).tokens);
    EXPECT_GE(answers[i].usage.cached_tokens, i == 0 ? 0 : 89) << "the others take what the first has read";
  }
  EXPECT_NE(answers[0].tokens, answers[1].tokens);
  options.seed.reset();
  const auto drawn = model->complete_all(prompt, 2, options);
  EXPECT_EQ(drawn[1].seed, drawn[0].seed + 1);
  // More than are begun at once.
  EXPECT_EQ(model->complete_all(prompt, 70, greedy(1)).back().tokens, plain->complete(prompt, greedy(1)).tokens);
}

TEST(SeveralAnswers, SayWhatIsWrong) {
  const auto model = load({.model_path = kLlama});
  const auto prompt = prompt_of(10);
  const auto none = test::error_of([&] { model->complete_all(prompt, 0, greedy(1)); });
  EXPECT_EQ(none.kind(), ErrorKind::invalid_argument);
  EXPECT_THAT(none.what(), testing::HasSubstr("at least 1, got 0"));
  auto options = greedy(1);
  options.on_token = [](std::string_view) { return true; };
  EXPECT_EQ(test::error_of([&] { model->complete_all(prompt, 2, options); }).kind(), ErrorKind::invalid_argument);
}

// Threads that say the same and different things, some of them taken back.
TEST(PrefixCache, ManyThreadsGetWhatTheyWouldGetAlone) {
  const auto plain = load({.model_path = kLlama, .prefix_cache = false});
  const auto model = load({.model_path = kLlama, .kv_memory = 200'000});
  std::vector<std::vector<int64_t>> prompts;
  std::vector<std::vector<int64_t>> expected;
  for (int64_t i = 0; i < 6; ++i) {
    auto prompt = prompt_of(40 + 8 * i);  // each is the beginning of the next
    prompt.back() = i;
    expected.push_back(plain->complete(prompt, greedy(20)).tokens);
    prompts.push_back(std::move(prompt));
  }
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 6; ++t) {
    threads.emplace_back([&, t] {
      for (uint64_t i = 0; i < 40; ++i) {
        const auto which = (t * 5 + i * 7) % prompts.size();
        auto pending = model->submit(prompts[which], greedy(20));
        if (i % 5 == t % 5) {
          pending.cancel();
        } else if (pending.wait().tokens != expected[which]) {
          ++wrong;
        }
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(model->memory().prefixes.tokens_found, 1000);
}

}  // namespace
}  // namespace dstorch
