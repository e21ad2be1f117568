#include "dstorch/torch_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <fstream>
#include <thread>

#include "driver/test_models.h"
#include "dstorch/error.h"
#include "support/paths.h"
#include "support/resident.h"

namespace dstorch {
namespace {

using test::error_of;
using test::load;
using testing::HasSubstr;
using testing::StartsWith;

const std::filesystem::path kTextModel = test::source_dir() / "tests/parity/fixtures/text/model";

std::unique_ptr<TorchModel> load_text_model() { return load({.model_path = kTextModel}); }

TEST(TorchModel, KeepsTheFrameworksWords) {
  const auto nothing = error_of([] { load({}); });
  EXPECT_EQ(nothing.kind(), ErrorKind::invalid_argument);
  EXPECT_STREQ(nothing.what(), "Failed to initialize Torch model: Either modelPath or architecture must be specified");
  EXPECT_STREQ(error_of([] {
                 TorchModel({.architecture = Architecture{1, 2, 3}}).generate("x");
               }).what(),
               "Torch model not initialized. Call init() first.");
  const auto missing = error_of([] { load({.model_path = "/no/such/model"}); });
  EXPECT_EQ(missing.kind(), ErrorKind::not_found);
  EXPECT_STREQ(missing.what(), "Failed to initialize Torch model: there is nothing at /no/such/model");
  EXPECT_EQ(describe(missing.cause()),
            "Failed to load model from path: /no/such/model: there is nothing at /no/such/model");
  const auto model = load_text_model();
  const auto overflow = error_of([&] { model->generate("x", {.max_tokens = 100'000}); });
  EXPECT_EQ(overflow.kind(), ErrorKind::context_overflow);
  EXPECT_THAT(overflow.what(), StartsWith("Torch model inference failed: a prompt of "));
}

TEST(TorchModel, AWrongOptionKeepsItsOwnWords) {
  const auto model = load_text_model();
  for (const auto& [options, message] :
       std::vector<std::pair<GenerationOptions, std::string>>{{{.temperature = -1}, "temperature must be"},
                                                              {{.top_p = 2}, "top_p must be"},
                                                              {{.max_tokens = -1}, "max_tokens must be"}}) {
    const auto error = error_of([&] { model->generate("x", options); });
    EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
    EXPECT_THAT(error.what(), StartsWith(message));
  }
  EXPECT_THAT(error_of([] { load({.model_path = kTextModel, .max_context = 1 << 30}); }).what(),
              StartsWith("max_context must be"));
  EXPECT_THAT(error_of([] { load({.model_path = kTextModel, .memory_limit = -1}); }).what(),
              StartsWith("memory_limit must be"));
  EXPECT_THAT(error_of([] { load({.model_path = kTextModel, .threads = -1}); }).what(), StartsWith("threads must be"));
  EXPECT_EQ(error_of([] { load({.model_path = kTextModel, .threads = 10'000}); }).kind(), ErrorKind::invalid_argument);
}

TEST(TorchModel, PlainArchitectureAnswersWithItsOutput) {
  const auto model = load({.architecture = Architecture{1, 8, 10, 2}, .seed = 1});
  const auto text = model->generate("hello");
  EXPECT_THAT(text, StartsWith("Torch model output (shape: 1x10, values: "));
  EXPECT_EQ(std::count(text.begin(), text.end(), ','), 10);
  EXPECT_EQ(model->generate("world"), text) << "with one input only the prompt's length counts";
  EXPECT_NE(model->generate("worlds"), text);
  EXPECT_EQ(model->info().parameters, 8 + 8 + 64 + 8 + 80 + 10);
}

TEST(TorchModel, PlainArchitectureReadsBytes) {
  const auto model = load({.architecture = Architecture{4, 8, 3}, .seed = 1});
  EXPECT_NE(model->generate("abcd"), model->generate("abce"));
  EXPECT_EQ(model->generate("abcd"), model->generate("abcdef")) << "cut to input_size";
  EXPECT_EQ(model->generate("ab"), model->generate(std::string("ab\0", 3))) << "padded with zeros";
}

TEST(TorchModel, RefusesSillyArchitectures) {
  EXPECT_EQ(error_of([] { load({.architecture = Architecture{0, 8, 3}}); }).kind(), ErrorKind::invalid_argument);
  EXPECT_EQ(error_of([] { load({.architecture = Architecture{4, 8, 3, -1}}); }).kind(), ErrorKind::invalid_argument);
}

TEST(TorchModel, InitAgainAfterCleanup) {
  const auto model = load_text_model();
  const auto first = model->generate("A mapped file", {.max_tokens = 12, .temperature = 0});
  EXPECT_FALSE(first.empty());
  model->cleanup();
  model->cleanup();
  EXPECT_FALSE(model->initialized());
  EXPECT_EQ(error_of([&] { model->generate("x"); }).kind(), ErrorKind::not_initialized);
  model->init();
  EXPECT_EQ(model->generate("A mapped file", {.max_tokens = 12, .temperature = 0}), first);
}

TEST(TorchModel, StreamsWhatItReturns) {
  const auto model = load_text_model();
  std::string streamed;
  const auto result = model->stream("Grüße aus",
                                    [&](std::string_view piece) {
                                      streamed += piece;
                                      return true;
                                    },
                                    {.max_tokens = 40, .seed = 3});
  EXPECT_EQ(streamed, result.text);
  EXPECT_EQ(result.usage.completion_tokens, static_cast<int64_t>(result.tokens.size()));
  EXPECT_EQ(result.usage.prompt_tokens, static_cast<int64_t>(model->tokenizer()->encode("Grüße aus").size()));
}

TEST(TorchModel, LogitsTakeWhatGenerateTakes) {
  const auto model = load_text_model();
  EXPECT_EQ(model->logits("Grüße aus"), model->logits(model->tokenizer()->encode("Grüße aus")));
  const auto plain = load({.architecture = Architecture{4, 8, 3}, .seed = 1});
  EXPECT_EQ(plain->logits("abcd").size(), 3U);
  EXPECT_NE(plain->logits("abcd"), plain->logits("abce"));
  const std::vector<int64_t> ids{1};
  EXPECT_EQ(error_of([&] { plain->logits(ids); }).kind(), ErrorKind::unsupported);
}

TEST(TorchModel, ReportsTheSeedThatMakesTheSameText) {
  const auto model = load_text_model();
  const auto first = model->complete("So a model", {.max_tokens = 24});
  const auto again = model->complete("So a model", {.max_tokens = 24, .seed = first.seed});
  EXPECT_EQ(first.tokens, again.tokens);
}

TEST(TorchModel, StopStringsCutAcrossTokens) {
  const auto model = load_text_model();
  const GenerationOptions greedy{.max_tokens = 30, .temperature = 0, .ignore_eos = true};
  const auto whole = model->complete("A mapped file", greedy).text;
  ASSERT_GT(whole.size(), 12U);
  const auto stop = whole.substr(6, 5);  // five bytes: more than one token of so small a vocabulary
  auto options = greedy;
  options.stop_sequences = {"not in the text at all", stop};
  const auto result = model->complete("A mapped file", options);
  EXPECT_EQ(result.text, whole.substr(0, whole.find(stop)));
  EXPECT_EQ(result.finish_reason, FinishReason::stop);
  EXPECT_EQ(result.stop_sequence, stop);
  // The beginning of one that never came to its end is text.
  options.stop_sequences = {whole.substr(whole.size() - 2) + "\x01"};
  EXPECT_EQ(model->complete("A mapped file", options).text, whole);
}

TEST(TorchModel, CallbackEndsTheGeneration) {
  const auto model = load_text_model();
  int calls = 0;
  const auto result = model->stream("A mapped", [&](std::string_view) { return ++calls < 3; },
                                    {.max_tokens = 50, .temperature = 0, .ignore_eos = true});
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(result.finish_reason, FinishReason::cancelled);
  EXPECT_LT(result.usage.completion_tokens, 50);
}

TEST(TorchModel, CancelsFromAnotherThreadWithinOneToken) {
  const auto model = load_text_model();
  const CancelToken cancel;
  std::atomic<int> pieces{0};
  std::atomic<int> pieces_at_cancel{0};
  std::thread canceller([&] {
    while (pieces < 3) {
      std::this_thread::yield();
    }
    cancel.cancel();
    pieces_at_cancel = pieces.load();
  });
  GenerationOptions options{.max_tokens = 100, .temperature = 0, .ignore_eos = true, .cancel = cancel};
  const auto result = model->stream(
      "A mapped",
      [&](std::string_view) {
        if (++pieces == 3) {
          while (!cancel.cancelled()) {
            std::this_thread::yield();
          }
        }
        return true;
      },
      options);
  canceller.join();
  EXPECT_EQ(result.finish_reason, FinishReason::cancelled);
  EXPECT_EQ(pieces.load(), pieces_at_cancel.load());
}

TEST(TorchModel, OverflowSaysByHowMuch) {
  const auto model = load({.model_path = kTextModel, .max_context = 32});
  const std::vector<int64_t> ids(30, 5);
  const auto error = error_of([&] { model->complete(ids, {.max_tokens = 10}); });
  EXPECT_EQ(error.kind(), ErrorKind::context_overflow);
  EXPECT_THAT(error.what(), HasSubstr("need 8 more positions than the context of 32"));
  EXPECT_NO_THROW(model->complete(ids, {.max_tokens = 2}));
  EXPECT_THAT(error_of([&] { model->complete(ids, {.max_tokens = 3}); }).what(), HasSubstr("need 1 more positions"));
  const std::vector<int64_t> longer(40, 5);
  EXPECT_THAT(error_of([&] { model->complete(longer, {.max_tokens = 0}); }).what(),
              HasSubstr("40 tokens, 8 more than the context of 32"));
}

TEST(TorchModel, RefusesBadTokens) {
  const auto model = load_text_model();
  const std::vector<int64_t> outside{1, model->info().vocab_size};
  EXPECT_EQ(error_of([&] { model->complete(outside); }).kind(), ErrorKind::invalid_argument);
  EXPECT_EQ(error_of([&] { model->complete(std::span<const int64_t>()); }).kind(), ErrorKind::invalid_argument);
  EXPECT_EQ(error_of([&] { model->generate(""); }).kind(), ErrorKind::invalid_argument);
}

// Many models have more rows than their tokenizer has tokens, to a round number.
TEST(TorchModel, IdsPastTheTokenizersHaveNoText) {
  const auto whole = load_text_model();
  const auto last = whole->info().vocab_size - 1;
  const auto tokenizer = std::filesystem::path(testing::TempDir()) / fmt::format("dstorch_bytes_{}.json", ::getpid());
  const std::vector<std::string_view> bytes_only{"ab"};
  BpeTrainerOptions training;
  training.vocab_size = 257;
  std::ofstream(tokenizer) << train_bpe_tokenizer(bytes_only, training);
  const auto model = load({.model_path = kTextModel, .tokenizer_path = tokenizer});
  std::filesystem::remove(tokenizer);
  ASSERT_LT(model->tokenizer()->vocab_size(), last);
  const std::vector<int64_t> ids{1, 2, 3};
  const auto result =
      model->complete(ids, {.max_tokens = 3, .temperature = 0, .logit_bias = {{last, 1000.0}}, .ignore_eos = true});
  EXPECT_EQ(result.tokens, (std::vector<int64_t>{last, last, last}));
  EXPECT_EQ(result.text, "");
}

TEST(TorchModel, TwoThreadsGetWhatEachWouldAlone) {
  const auto model = load_text_model();
  const std::vector<std::string> prompts{"A mapped file costs", "Grüße aus Köln", "weights = map", "what a program"};
  std::vector<std::string> alone;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    alone.push_back(model->generate(prompts[i], {.max_tokens = 30, .seed = i}));
  }
  std::vector<std::future<std::string>> together;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    together.push_back(model->generate_async(prompts[i], {.max_tokens = 30, .seed = i}));
  }
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    EXPECT_EQ(together[i].get(), alone[i]);
  }
}

TEST(TorchModel, CleanupGivesTheMemoryBack) {
  if (test::kFreedMemoryIsKept) {
    GTEST_SKIP() << "the address sanitizer keeps freed memory";
  }
  const auto use_once = [] {
    const auto model = load({.model_path = kTextModel, .dtype = DType::float64});
    model->generate("A mapped file", {.max_tokens = 16, .temperature = 0});
    model->cleanup();
  };
  for (int i = 0; i < 5; ++i) {
    use_once();
  }
  const auto before = test::resident_bytes();
  for (int i = 0; i < 50; ++i) {
    use_once();
  }
  const auto weights = load({.model_path = kTextModel, .dtype = DType::float64})->info().weight_bytes;
  EXPECT_LT(test::resident_bytes() - before, std::max<int64_t>(2 * weights, 4 << 20));
}

TEST(TorchModel, LogprobsAgreeWithTheLogits) {
  const auto model = load_text_model();
  const auto ids = model->tokenizer()->encode("A mapped file");
  const auto logits = model->logits(ids);
  const auto result = model->complete(ids, {.max_tokens = 1, .temperature = 0, .logprobs = 3});
  ASSERT_EQ(result.logprobs.size(), 1U);
  double sum = 0;
  for (const float logit : logits) {
    sum += std::exp(static_cast<double>(logit));
  }
  const auto token = static_cast<std::size_t>(result.tokens[0]);
  EXPECT_NEAR(result.logprobs[0].logprob, static_cast<double>(logits[token]) - std::log(sum), 1e-5);
  EXPECT_EQ(result.logprobs[0].top[0].first, result.tokens[0]);
}

TEST(TorchModel, ADirectoryWithoutATokenizerTakesIdsOnly) {
  const auto path = test::source_dir() / "tests/parity/fixtures/llama/model";
  const auto model = load({.model_path = path});
  EXPECT_THAT(error_of([&] { model->generate("text"); }).what(), HasSubstr("tokenizer"));
  const std::vector<int64_t> ids{1, 2, 3};
  EXPECT_EQ(model->complete(ids, {.max_tokens = 4, .ignore_eos = true}).tokens.size(), 4U);
}

}  // namespace
}  // namespace dstorch
