// Prefixes that are found again change no bit of an answer, and lose no page.

#include <gtest/gtest.h>

#include <chrono>
#include <deque>
#include <thread>

#include "core/rng.h"
#include "engine/evaluate_tokens.h"
#include "test_model.h"

namespace dstorch::engine {
namespace {

using Tokens = std::vector<int64_t>;
using AdapterPtr = std::shared_ptr<const nn::Adapter>;

constexpr int64_t kMuch = int64_t{1} << 30;

Tokens joined(Tokens first, const Tokens& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

GenerationOptions sampled_freely() {
  GenerationOptions options;
  options.temperature = 2.0;
  options.ignore_eos = true;
  return options;
}

/// A model whose context has room for some pages, and its engine without a cache.
struct Reference {
  explicit Reference(const std::string& fixture, const Json& changes = {{"max_position_embeddings", 448}},
                     at::ScalarType pages = at::kFloat)
      : config(engine_config(fixture, changes, pages)), engine(config) {}

  [[nodiscard]] int64_t vocab() const { return config.model->sizes().vocab_size; }
  [[nodiscard]] int64_t bytes(int64_t positions) const {
    return config.model->kv_layout().sequence_bytes(positions, 256, config.kv_dtype);
  }
  /// The same model in an engine that finds prefixes. The reference is not to be asked beside it.
  [[nodiscard]] EngineConfig with_cache(int64_t bytes = kMuch) const {
    auto result = config;
    result.memory.prefixes = bytes;
    return result;
  }

  EngineConfig config;
  Engine engine;
};

struct Answer {
  Tokens tokens;
  int64_t cached = 0;
};

Answer ask(Engine& engine, const Tokens& prompt, int64_t max_tokens, uint64_t seed, const AdapterPtr& adapter = {}) {
  Asked asked(prompt, sampled_freely(), max_tokens, seed);
  asked.sequence()->adapter = adapter;
  engine.submit(asked.sequence());
  auto tokens = asked.wait();
  return {std::move(tokens), asked.cached_tokens};
}

class RandomPrefixes : public testing::TestWithParam<Mix> {};

// Preambles that many share, answers that come back as prompts, cut and changed texts, adapters, cancels, little room.
TEST_P(RandomPrefixes, EachGetsWhatItWouldGetWithoutTheCache) {
  Reference reference(GetParam().fixture, GetParam().changes, GetParam().pages);
  const auto most = reference.engine.max_context();
  const std::vector<AdapterPtr> adapters{nullptr, random_adapter(*reference.config.model, 1),
                                         random_adapter(*reference.config.model, 2)};
  int64_t found = 0;
  for (const uint64_t seed : {1, 2, 3, 4}) {
    Rng rng(seed);
    const auto below = [&](int64_t bound) { return static_cast<int64_t>(rng.below(static_cast<uint64_t>(bound))); };
    auto config = reference.with_cache(seed % 3 == 0 ? reference.bytes(1 + below(300)) : kMuch);
    config.max_running = 1 + below(9);
    config.step.prompt_rows = 1 + below(100);
    config.step.shared_prompt_rows = 1 + below(40);
    config.memory.kept = below(3) * config.model->kv_layout().page_bytes(0, config.kv_dtype);
    if (seed % 2 == 0) {
      config.memory.kv = config.model->kv_layout().sequence_bytes(most, 100, config.kv_dtype) * (1 + below(2));
    }
    Engine engine(std::move(config));
    struct Case {
      Tokens prompt;
      int64_t max_tokens;
      uint64_t seed;
      AdapterPtr adapter;
      std::unique_ptr<Asked> asked;
      Tokens answer;
      bool waited = false;
    };
    const auto wait_for = [](Case& one) {
      if (!one.waited) {
        one.answer = one.asked->wait();
        one.waited = true;
      }
    };
    std::deque<Case> cases;
    std::vector<Tokens> preambles;
    for (int i = 0; i < 3; ++i) {
      preambles.push_back(random_tokens(rng, 1 + below(most * 2 / 3), reference.vocab()));
    }
    for (int i = 0; i < 30; ++i) {
      Case one;
      one.prompt = preambles[rng.below(preambles.size())];
      if (!cases.empty() && rng.below(2) == 0) {
        auto& before = cases[rng.below(cases.size())];
        one.prompt = before.prompt;
        if (rng.below(2) == 0) {
          wait_for(before);
          one.prompt = joined(before.prompt, before.answer);
        }
      }
      if (rng.below(3) == 0) {
        one.prompt.resize(1 + rng.below(one.prompt.size()));
      }
      if (rng.below(3) != 0) {
        one.prompt = joined(one.prompt, random_tokens(rng, below(40), reference.vocab()));
      }
      one.prompt.resize(std::min(one.prompt.size(), static_cast<std::size_t>(most - 1)));
      one.max_tokens = std::min(1 + below(most / 5), most - static_cast<int64_t>(one.prompt.size()));
      one.seed = rng.next();
      one.adapter = adapters[rng.below(adapters.size())];
      one.asked = std::make_unique<Asked>(one.prompt, sampled_freely(), one.max_tokens, one.seed);
      one.asked->sequence()->adapter = one.adapter;
      engine.submit(one.asked->sequence());
      cases.push_back(std::move(one));
      if (rng.below(3) == 0) {
        std::this_thread::sleep_for(std::chrono::microseconds(rng.below(3000)));
      }
      if (rng.below(8) == 0) {
        cases[rng.below(cases.size())].asked->cancel();
      }
    }
    for (auto& one : cases) {
      wait_for(one);
    }
    engine.drain();
    EXPECT_EQ(engine.pages_in_use(), engine.prefix_counts()->pages) << "no page is lost";
    found += engine.prefix_counts()->tokens_found;
    for (auto& one : cases) {
      ASSERT_TRUE(one.asked->reason.has_value());
      const auto expected =
          alone(reference.engine, one.prompt, sampled_freely(), one.max_tokens, one.seed, one.adapter);
      if (*one.asked->reason == FinishReason::cancelled) {
        ASSERT_LE(one.answer.size(), expected.size());
        EXPECT_TRUE(std::equal(one.answer.begin(), one.answer.end(), expected.begin()))
            << "up to where it was cancelled";
      } else {
        EXPECT_EQ(one.answer, expected);
      }
      EXPECT_LT(one.asked->cached_tokens, static_cast<int64_t>(one.prompt.size()));
    }
  }
  EXPECT_GT(found, 1000);
}

INSTANTIATE_TEST_SUITE_P(Models, RandomPrefixes, testing::ValuesIn(mixes()),
                         [](const auto& name) { return std::string(name.param.name); });

TEST(Prefixes, ARepeatedPromptComputesOneToken) {
  const Reference reference("llama");
  Engine engine(reference.with_cache());
  Rng rng(1);
  const auto prompt = random_tokens(rng, 200, reference.vocab());
  const auto first = ask(engine, prompt, 10, 7);
  EXPECT_EQ(first.cached, 0);
  const auto again = ask(engine, prompt, 10, 7);
  EXPECT_EQ(again.cached, 199);
  EXPECT_EQ(again.tokens, first.tokens);
  EXPECT_EQ(engine.prefix_counts()->tokens_asked, 400);
  EXPECT_EQ(engine.prefix_counts()->tokens_found, 199);
}

// A conversation: what was said and what was answered comes back, with something new behind it.
TEST(Prefixes, AGrowingConversationComputesWhatIsNew) {
  const Reference reference("llama");
  Engine engine(reference.with_cache());
  Rng rng(2);
  auto said = random_tokens(rng, 90, reference.vocab());
  for (int turn = 0; turn < 4; ++turn) {
    const auto known = static_cast<int64_t>(said.size());
    auto prompt = said;
    if (turn > 0) {
      prompt = joined(prompt, random_tokens(rng, 21, reference.vocab()));
    }
    const auto answer = ask(engine, prompt, 30, 9);
    // The last token of an answer never went through the model.
    EXPECT_EQ(answer.cached, turn == 0 ? 0 : known - 1);
    said = joined(prompt, answer.tokens);
  }
}

TEST(Prefixes, AnotherAdapterFindsNothing) {
  const Reference reference("llama");
  Engine engine(reference.with_cache());
  Rng rng(3);
  const auto prompt = random_tokens(rng, 150, reference.vocab());
  const auto first = random_adapter(*reference.config.model, 1);
  const auto second = random_adapter(*reference.config.model, 2);
  EXPECT_EQ(ask(engine, prompt, 1, 1, first).cached, 0);
  EXPECT_EQ(ask(engine, prompt, 1, 1, second).cached, 0);
  EXPECT_EQ(ask(engine, prompt, 1, 1).cached, 0);
  EXPECT_EQ(ask(engine, prompt, 1, 1, first).cached, 149);
  EXPECT_EQ(ask(engine, prompt, 1, 1).cached, 149);
  engine.drain();
  EXPECT_EQ(engine.prefix_counts()->pages, 9);
}

TEST(Prefixes, WhatADetachedAdapterLeftIsForgotten) {
  const Reference reference("llama");
  Engine engine(reference.with_cache());
  Rng rng(4);
  const auto prompt = random_tokens(rng, 150, reference.vocab());
  auto adapter = random_adapter(*reference.config.model, 1);
  {
    const std::weak_ptr<const nn::Adapter> watched = adapter;
    ask(engine, prompt, 1, 1, adapter);
    adapter.reset();
    while (!watched.expired()) {
      std::this_thread::yield();  // the worker may still hold the sequence
    }
  }
  EXPECT_EQ(ask(engine, random_tokens(rng, 20, reference.vocab()), 1, 1).cached, 0);
  engine.drain();
  EXPECT_EQ(engine.prefix_counts()->pages, 1);
  EXPECT_EQ(engine.pages_in_use(), 1);
}

// A window's pages may be gone where a sequence went on; before that they are there.
TEST(Prefixes, AWindowThatHasPassedEndsWhatIsFound) {
  const Reference reference("qwen2_sliding");
  nn::KvPool pool(reference.config.model->kv_layout(), at::TensorOptions().dtype(at::kFloat), 0);
  Rng rng(5);
  const auto tokens = random_tokens(rng, 300, reference.vocab());
  PrefixCache cache(pool);
  nn::SequencePages pages(pool);
  pages.prepare(0, 130);
  cache.put(std::span(tokens).first(130), nullptr, pages);
  EXPECT_EQ(cache.find(std::span(tokens).first(64), nullptr).positions, 64);
  EXPECT_EQ(cache.find(tokens, nullptr).positions, 130);
  cache.clear();
  pages.prepare(250, 280);  // of the window of 9, the pages of positions up to 191 are gone
  cache.put(std::span(tokens).first(280), nullptr, pages);
  EXPECT_EQ(cache.find(tokens, nullptr).positions, 280);
  const auto found = cache.find(std::span(tokens).first(201), nullptr);
  EXPECT_EQ(found.positions, 201);
  EXPECT_TRUE(found.pages[0][0]);
  EXPECT_FALSE(found.pages[1][0]) << "nobody sees it any more";
  EXPECT_EQ(cache.find(std::span(tokens).first(199), nullptr).positions, 0) << "position 199 sees 191";
  EXPECT_EQ(cache.find(std::span(tokens).first(128), nullptr).positions, 0);
}

TEST(Prefixes, WhatIsUsedLeastGoesFirst) {
  const Reference reference("llama");
  Engine engine(reference.with_cache(reference.bytes(4 * 64)));
  Rng rng(6);
  std::vector<Tokens> prompts;
  for (int i = 0; i < 3; ++i) {
    prompts.push_back(random_tokens(rng, 129, reference.vocab()));
  }
  ask(engine, prompts[0], 1, 1);
  ask(engine, prompts[1], 1, 1);  // 6 pages: two of the first go
  engine.drain();
  EXPECT_EQ(engine.prefix_counts()->pages, 4);
  EXPECT_EQ(engine.pages_in_use(), 4);
}

TEST(Prefixes, ThoseThatWereUsedLastStay) {
  const Reference reference("llama");
  Engine engine(reference.with_cache(reference.bytes(4 * 64)));
  Rng rng(7);
  std::vector<Tokens> prompts;
  for (int i = 0; i < 3; ++i) {
    prompts.push_back(random_tokens(rng, 120, reference.vocab()));  // two pages each
  }
  ask(engine, prompts[0], 1, 1);
  ask(engine, prompts[1], 1, 1);
  ask(engine, prompts[0], 1, 1);
  ask(engine, prompts[2], 1, 1);
  EXPECT_EQ(ask(engine, prompts[0], 1, 1).cached, 119);
  EXPECT_EQ(ask(engine, prompts[2], 1, 1).cached, 119);
  EXPECT_EQ(ask(engine, prompts[1], 1, 1).cached, 0);
}

// Sequences need all the room there is: what is cached gives way, and nobody waits for ever.
TEST(Prefixes, CachedPagesGiveWay) {
  const Reference reference("llama");
  auto config = reference.with_cache();
  config.memory.kv = reference.bytes(256);
  Engine engine(std::move(config));
  Rng rng(8);
  for (uint64_t i = 0; i < 5; ++i) {
    const auto prompt = random_tokens(rng, 200, reference.vocab());
    EXPECT_EQ(ask(engine, prompt, 56, i).tokens.size(), 56U);
  }
  engine.drain();
  EXPECT_LE(engine.prefix_counts()->bytes, reference.bytes(256));
  EXPECT_EQ(engine.pages_in_use(), engine.prefix_counts()->pages);
}

// Calls that begin together: one reads what they share, the others wait for it.
TEST(Prefixes, CallsThatBeginTogetherReadTheirPreambleOnce) {
  const Reference reference("llama");
  Engine engine(reference.with_cache());
  Rng rng(9);
  const auto preamble = random_tokens(rng, 300, reference.vocab());
  // Something that runs while they come, so that all are admitted in one step.
  Asked busy(random_tokens(rng, 4, reference.vocab()), sampled_freely(), 300, 1);
  engine.submit(busy.sequence());
  std::deque<Asked> asked;
  for (int64_t i = 0; i < 6; ++i) {
    auto prompt = joined(preamble, random_tokens(rng, i, reference.vocab()));
    engine.submit(asked.emplace_back(std::move(prompt), sampled_freely(), 5, static_cast<uint64_t>(i)).sequence());
  }
  for (auto& one : asked) {
    EXPECT_EQ(one.wait().size(), 5U);
  }
  for (std::size_t i = 1; i < asked.size(); ++i) {
    EXPECT_GT(asked[i].cached_tokens, 300 - 64) << "nobody waits for less than a page";
  }
  EXPECT_EQ(asked[0].cached_tokens, 0);
}

// The one that reads the preamble is cancelled: another takes over.
TEST(Prefixes, WhoWaitsForACancelledCallGoesOn) {
  const Reference reference("llama");
  auto config = reference.with_cache();
  config.step = {.prompt_rows = 3, .shared_prompt_rows = 3};
  Engine engine(std::move(config));
  Rng rng(10);
  // Cancelled at another moment each time: before the first call is read, and in the middle of it.
  for (int attempt = 0; attempt < 24; ++attempt) {
    const auto prompt = random_tokens(rng, 300, reference.vocab());
    std::deque<Asked> asked;
    for (uint64_t i = 0; i < 4; ++i) {
      engine.submit(asked.emplace_back(prompt, sampled_freely(), 5, i).sequence());
    }
    std::this_thread::sleep_for(std::chrono::microseconds(250 * attempt));
    asked[0].cancel();
    asked[2].cancel();
    EXPECT_EQ(asked[1].wait().size(), 5U);
    EXPECT_EQ(asked[3].wait().size(), 5U);
  }
}

// Whoever wants to see the rows of a prompt has them computed.
TEST(Prefixes, ScoresSeeAllRows) {
  Reference reference("llama");
  Rng rng(11);
  const auto tokens = random_tokens(rng, 400, reference.vocab());
  const auto loss = negative_log_likelihood(reference.engine, tokens, {});
  const auto mean = mean_hidden(reference.engine, tokens);
  const auto logits = next_logits(reference.engine, tokens);
  Engine engine(reference.with_cache());
  ask(engine, tokens, 3, 1);
  for (int time = 0; time < 2; ++time) {
    EXPECT_EQ(negative_log_likelihood(engine, tokens, {}), loss);
    EXPECT_EQ(mean_hidden(engine, tokens), mean);
    EXPECT_EQ(next_logits(engine, tokens), logits);
  }
  // Three of them asked for the last row alone; two of these had been there before.
  EXPECT_EQ(engine.prefix_counts()->tokens_asked, 3 * 400);
  EXPECT_EQ(engine.prefix_counts()->tokens_found, 2 * 399);
}

}  // namespace
}  // namespace dstorch::engine
