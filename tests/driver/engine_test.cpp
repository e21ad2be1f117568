// What programs may rely on when many threads use a model, and when it goes in the middle of things.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <thread>

#include "core/json.h"
#include "driver/bell.h"
#include "driver/test_models.h"
#include "dstorch/error.h"
#include "dstorch/torch_model.h"
#include "support/paths.h"

namespace dstorch {
namespace {

using test::Bell;
using test::error_of;
using test::greedy;
using test::load;
using testing::HasSubstr;

const auto kFixtures = test::source_dir() / "tests/parity/fixtures";
const auto kText = kFixtures / "text/model";

GenerationOptions long_answer() { return {.max_tokens = 100, .temperature = 0, .ignore_eos = true}; }

TEST(Lifetime, AModelMayGoWhileAnswersAreAwaited) {
  for (int i = 0; i < 20; ++i) {
    auto model = load({.model_path = kText});
    std::vector<std::future<std::string>> answers;
    for (int a = 0; a < 4; ++a) {
      answers.push_back(model->generate_async("A mapped file", long_answer()));
    }
    auto pending = model->submit("A mapped file", long_answer());
    std::this_thread::sleep_for(std::chrono::microseconds(300 * i));
    model.reset();
    for (auto& answer : answers) {
      EXPECT_NO_THROW(answer.get());
    }
    const auto result = pending.wait();
    EXPECT_TRUE(result.finish_reason == FinishReason::cancelled || result.tokens.size() == 100U);
  }
}

TEST(Lifetime, AModelMayGoFromItsOwnCallback) {
  auto model = load({.model_path = kText});
  int calls = 0;
  auto options = long_answer();
  options.on_token = [&](std::string_view) {
    ++calls;
    model.reset();
    return true;
  };
  auto pending = model->submit("A mapped file", options);
  EXPECT_NO_THROW(pending.wait());
  EXPECT_GT(calls, 0);
}

TEST(Lifetime, CleanupComesToItsEndWhileOthersKeepAsking) {
  const auto model = load({.model_path = kText});
  std::atomic<bool> stop{false};
  std::atomic<int> answered{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      while (!stop) {
        try {
          model->generate("A mapped file", greedy(4));
          ++answered;
        } catch (const LMError& e) {
          EXPECT_EQ(e.kind(), ErrorKind::not_initialized);
        }
      }
    });
  }
  while (answered < 4) {
    std::this_thread::yield();
  }
  model->cleanup();
  EXPECT_FALSE(model->initialized());
  stop = true;
  for (auto& thread : threads) {
    thread.join();
  }
}

TEST(Lifetime, CallbacksMayCallAnythingOfTheModel) {
  const auto model = load({.model_path = kText});
  const auto expected = model->generate("A mapped file", greedy(6));
  const auto whole = model->generate("A mapped", long_answer());
  int calls = 0;
  auto options = long_answer();
  options.on_token = [&](std::string_view) {
    if (++calls == 1) {
      EXPECT_EQ(model->generate("A mapped file", greedy(6)), expected);
      EXPECT_FALSE(model->embed("x").empty());
      model->init();
      EXPECT_GT(model->memory().total.bytes, 0);
    }
    if (calls == 2) {
      model->cleanup();
      model->init();
    }
    return true;
  };
  EXPECT_EQ(model->generate("A mapped", options), whole) << "what was asked before the cleanup is answered whole";
  EXPECT_GT(calls, 2);
}

TEST(Lifetime, AProgressCallbackCannotUseTheModelItLoads) {
  TorchModel* self = nullptr;
  std::vector<ErrorKind> kinds;
  TorchModelConfig config{.model_path = kText};
  config.on_progress = [&](const Progress&) {
    kinds.push_back(error_of([&] { self->generate("x"); }).kind());
    kinds.push_back(error_of([&] { self->init(); }).kind());
    kinds.push_back(error_of([&] { self->cleanup(); }).kind());
    return true;
  };
  TorchModel model(config);
  self = &model;
  model.init();
  ASSERT_GE(kinds.size(), 3U);
  EXPECT_EQ(kinds[0], ErrorKind::not_initialized);
  EXPECT_EQ(kinds[1], ErrorKind::invalid_argument);
  EXPECT_EQ(kinds[2], ErrorKind::invalid_argument);
  EXPECT_NO_THROW(model.generate("A mapped", greedy(2)));
}

// Text that was held back because it could begin a stop string is not handed to a callback that has said stop.
TEST(Callback, IsNotCalledAgainOnceItHasSaidStop) {
  const auto model = load({.model_path = kText});
  const auto whole = model->generate("A mapped file", long_answer());
  for (int stop_at = 1; stop_at < 6; ++stop_at) {
    int calls = 0;
    auto options = long_answer();
    options.stop_sequences = {whole.substr(4, 2) + "\x01", whole.substr(10, 3) + "\x01"};
    options.on_token = [&](std::string_view) { return ++calls < stop_at; };
    const auto result = model->complete("A mapped file", options);
    EXPECT_EQ(calls, stop_at);
    EXPECT_EQ(result.finish_reason, FinishReason::cancelled);
    EXPECT_TRUE(whole.starts_with(result.text));
  }
}

TEST(Callback, WhatItThrowsComesOutAndTheCallEnds) {
  const auto model = load({.model_path = kText});
  auto options = long_answer();
  options.on_token = [](std::string_view) -> bool { throw std::runtime_error("enough"); };
  EXPECT_THROW(model->complete("A mapped file", options), std::runtime_error);
  EXPECT_NO_THROW(model->generate("A mapped file", greedy(2)));
}

TEST(Callback, RunsOnTheThreadThatWaits) {
  const auto model = load({.model_path = kText});
  std::thread::id seen;
  auto options = greedy(3);
  options.on_token = [&](std::string_view) {
    seen = std::this_thread::get_id();
    return true;
  };
  model->complete("A mapped file", options);
  EXPECT_EQ(seen, std::this_thread::get_id());
}

TEST(PendingGeneration, ShowsWhatThereIs) {
  const auto model = load({.model_path = kText});
  const auto expected = model->generate("A mapped file", long_answer());
  std::string text;
  auto options = long_answer();
  options.on_token = [&](std::string_view piece) {
    text += piece;
    return true;
  };
  auto pending = model->submit("A mapped file", options);
  while (!pending.poll()) {
    EXPECT_TRUE(expected.starts_with(text));
    std::this_thread::yield();
  }
  EXPECT_EQ(text, expected);
  EXPECT_EQ(pending.wait().text, expected);
}

TEST(PendingGeneration, TellsWhoeverPollsWhenThereIsSomething) {
  const auto model = load({.model_path = kText});
  const auto expected = model->generate("A mapped file", long_answer());
  int rung = 0;
  // An answer that is whole before anybody asks to be told rings once: then another is asked for.
  for (int attempt = 0; attempt < 100 && rung < 2; ++attempt) {
    std::string text;
    auto options = long_answer();
    options.on_token = [&](std::string_view piece) {
      text += piece;
      return true;
    };
    auto pending = model->submit("A mapped file", options);
    rung = test::poll_when_told(pending);
    EXPECT_EQ(text, expected);
    EXPECT_EQ(pending.wait().text, expected);
  }
  EXPECT_GT(rung, 1);
}

TEST(PendingGeneration, TellsOfWhatCameBeforeAnybodyAsked) {
  const auto model = load({.model_path = kText});
  auto pending = model->submit("A mapped file", long_answer());
  while (!pending.poll()) {
    std::this_thread::yield();
  }
  Bell bell;
  pending.notify(bell.rope());
  EXPECT_EQ(bell.rung(), 1);
  const auto plain = load({.architecture = Architecture{.input_size = 1, .hidden_size = 2, .output_size = 3}});
  auto answered = plain->submit("x");
  answered.notify(bell.rope());
  EXPECT_EQ(bell.rung(), 2);
}

TEST(PendingGeneration, TellsNobodyWhoDoesNotAsk) {
  const auto model = load({.model_path = kText});
  Bell bell;
  auto pending = model->submit("A mapped file", long_answer());
  pending.notify(bell.rope());
  pending.notify({});
  const auto before = bell.rung();
  while (!pending.poll()) {
    std::this_thread::yield();
  }
  EXPECT_LE(bell.rung(), before + 1);  // one may have been on its way
  pending.notify({});                  // at its end
  EXPECT_FALSE(pending.wait().text.empty());
}

TEST(PendingGeneration, TellsOfCancellationsErrorsAndEnds) {
  auto model = load({.model_path = kText});
  Bell bell;
  auto options = long_answer();
  auto pending = model->submit("A mapped file", options);
  pending.notify(bell.rope());
  const auto before = bell.rung();
  pending.cancel();
  EXPECT_GT(bell.rung(), before);
  EXPECT_TRUE(pending.poll());
  auto abandoned = model->submit("A mapped file", options);
  Bell last;
  abandoned.notify(last.rope());
  model.reset();
  EXPECT_TRUE(abandoned.poll());
  EXPECT_GT(last.rung(), 0);
}

TEST(PendingGeneration, CancelEndsItWithWhatWasMade) {
  const auto model = load({.model_path = kText});
  const auto expected = model->generate("A mapped file", long_answer());
  int calls = 0;
  auto options = long_answer();
  std::unique_ptr<PendingGeneration> pending;
  options.on_token = [&](std::string_view) {
    if (++calls == 3) {
      pending->cancel();
    }
    return true;
  };
  pending = std::make_unique<PendingGeneration>(model->submit("A mapped file", options));
  const auto result = pending->wait();
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(result.finish_reason, FinishReason::cancelled);
  EXPECT_TRUE(expected.starts_with(result.text));
  EXPECT_LT(result.tokens.size(), 100U);
}

TEST(PendingGeneration, SaysAtOnceWhatCannotBegin) {
  const auto model = load({.model_path = kText, .max_context = 32});
  EXPECT_EQ(error_of([&] { model->submit("x", {.temperature = -1}); }).kind(), ErrorKind::invalid_argument);
  EXPECT_EQ(error_of([&] { model->submit("x", {.max_tokens = 100}); }).kind(), ErrorKind::context_overflow);
  auto future = model->generate_async("x", {.temperature = -1});
  EXPECT_EQ(error_of([&] { future.get(); }).kind(), ErrorKind::invalid_argument) << "a future holds its error";
}

TEST(CompleteAll, AnswersInTheOrderOfThePrompts) {
  const auto model = load({.model_path = kText});
  const std::vector<std::string> words{"A mapped file", "weights = map", "So a model", "what"};
  std::vector<std::string> prompts;
  for (int i = 0; i < 100; ++i) {  // more than are submitted at once
    prompts.push_back(words[static_cast<std::size_t>(i) % words.size()]);
  }
  const GenerationOptions options{.max_tokens = 12, .seed = 5};
  const auto results = model->complete_all(prompts, options);
  ASSERT_EQ(results.size(), prompts.size());
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto expected = model->complete(words[i], options).tokens;
    for (std::size_t at = i; at < prompts.size(); at += words.size()) {
      EXPECT_EQ(results[at].tokens, expected);
    }
  }
  EXPECT_TRUE(model->complete_all({}, options).empty());
  auto with_callback = options;
  with_callback.on_token = [](std::string_view) { return true; };
  EXPECT_EQ(error_of([&] { model->complete_all(prompts, with_callback); }).kind(), ErrorKind::invalid_argument);
  prompts[70] = "";
  EXPECT_EQ(error_of([&] { model->complete_all(prompts, options); }).kind(), ErrorKind::invalid_argument);
}

TEST(MaxTokens, IsWhatFitsWhereNobodySaysANumber) {
  const auto model = load({.model_path = kText, .max_context = 40});
  const std::vector<int64_t> prompt(30, 5);
  EXPECT_EQ(model->complete(prompt, {.temperature = 0, .ignore_eos = true}).tokens.size(), 10U);
  const std::vector<int64_t> full(40, 5);
  EXPECT_TRUE(model->complete(full, {.temperature = 0, .ignore_eos = true}).tokens.empty());
  EXPECT_EQ(error_of([&] { model->complete(prompt, {.max_tokens = 11}); }).kind(), ErrorKind::context_overflow);
}

TEST(Cancel, TakesEffectInALongPrompt) {
  const auto model = load({.model_path = kFixtures / "llama/model", .threads = 1});
  const CancelToken cancel;
  GenerationOptions options = greedy(1);
  options.cancel = cancel;
  cancel.cancel();
  const std::vector<int64_t> prompt(100, 5);
  const auto result = model->complete(prompt, options);
  EXPECT_EQ(result.finish_reason, FinishReason::cancelled);
  EXPECT_TRUE(result.tokens.empty());
}

/// Two logits of a token differ, but by no more than a fiftieth of the largest.
void expect_near_but_not_equal(const std::vector<float>& a, const std::vector<float>& b) {
  double most = 0, range = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    most = std::max(most, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
    range = std::max(range, std::abs(static_cast<double>(a[i])));
  }
  EXPECT_GT(most, 0);
  EXPECT_LT(most, 0.02 * range);
}

TEST(KvDtype, IsTheConfigs) {
  const auto wide = load({.model_path = kText});
  const auto narrow = load({.model_path = kText, .kv_dtype = KvDType::bfloat16});
  const auto ids = wide->tokenizer()->encode("A mapped file costs nothing until it is read");
  const auto a = wide->logits(ids), b = narrow->logits(ids);
  expect_near_but_not_equal(a, b);
}

TEST(KvDtype, EightBitsTakeHalfOfSixteenAndSayTheSame) {
  const auto load_in = [](KvDType dtype) {
    return load({.model_path = kFixtures / "smollm2_bf16/model", .kv_dtype = dtype});
  };
  const auto wide = load_in(KvDType::bfloat16), narrow = load_in(KvDType::q8);
  const std::vector<int64_t> prompt{5, 9, 2, 7, 1, 8, 3, 3, 60, 41, 12, 5};
  const auto a = wide->logits(prompt), b = narrow->logits(prompt);
  expect_near_but_not_equal(a, b);
  const auto config = read_json(kFixtures / "smollm2_bf16/model/config.json");
  const auto dim = config.at("hidden_size").get<double>() / config.at("num_attention_heads").get<double>();
  const auto bytes = [](const TorchModel& model) {
    return static_cast<double>(model.memory()[MemoryKind::kv_cache].peak);
  };
  EXPECT_DOUBLE_EQ(bytes(*narrow) / bytes(*wide), (dim + 2) / (2 * dim));
}

TEST(KvDtype, EightBitsAreNotForShaders) {
  const auto error =
      error_of([] { load({.model_path = kText, .device = Device::parse("webgl"), .kv_dtype = KvDType::q8}); });
  EXPECT_EQ(error.kind(), ErrorKind::unsupported);
  EXPECT_THAT(error.what(), HasSubstr("float32, bfloat16 or float16 on webgl"));
}

TEST(TorchScript, AnArchiveStopsAtItsEndToken) {
  const auto folder = std::filesystem::path(testing::TempDir()) / fmt::format("dstorch_archive_{}", ::getpid());
  std::filesystem::create_directories(folder);
  std::filesystem::copy_file(kFixtures / "torchscript/lm.pt", folder / "lm.pt",
                             std::filesystem::copy_options::overwrite_existing);
  const TorchModelConfig config{.model_path = folder / "lm.pt", .allow_scripts = true};
  const std::vector<int64_t> prompt{1, 2, 3};
  const auto all = load(config)->complete(prompt, {.max_tokens = 8, .temperature = 0}).tokens;
  ASSERT_EQ(all.size(), 8U) << "without word of an end token there is none";
  std::ofstream(folder / "generation_config.json") << fmt::format("{{\"eos_token_id\": {}}}", all[4]);
  const auto first = std::find(all.begin(), all.end(), all[4]) - all.begin();
  const auto result = load(config)->complete(prompt, {.max_tokens = 8, .temperature = 0});
  std::filesystem::remove_all(folder);
  EXPECT_EQ(result.tokens, std::vector<int64_t>(all.begin(), all.begin() + first + 1));
  EXPECT_EQ(result.finish_reason, FinishReason::stop);
}

TEST(TorchScript, AnArchiveShowsNoHiddenStates) {
  const auto model = load({.model_path = kFixtures / "torchscript/lm.pt",
                           .tokenizer_path = kText / "tokenizer.json",
                           .allow_scripts = true});
  const auto error = error_of([&] { model->embed("text"); });
  EXPECT_EQ(error.kind(), ErrorKind::unsupported);
  EXPECT_THAT(error.what(), HasSubstr("logits alone"));
}

}  // namespace
}  // namespace dstorch
