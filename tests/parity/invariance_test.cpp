// Same seed, same text: whatever the number of threads, the chunks of the prompt, the calls made before or beside.
#include <gtest/gtest.h>

#include <future>

#include "parity/fixture.h"

namespace dstorch::parity {
namespace {

class Invariance : public ::testing::TestWithParam<std::string> {};

// log p of every greedy token, exactly.
std::vector<double> logprobs_of(const GenerationResult& result) {
  std::vector<double> values;
  for (const TokenLogprob& token : result.logprobs) {
    values.push_back(token.logprob);
  }
  return values;
}

TEST_P(Invariance, ThreadsChangeNoBit) {
  const Fixture fixture = load_fixture(GetParam());
  const auto one = open_model(fixture.model, 1);
  const auto two = open_model(fixture.model, 2);
  const auto three = open_model(fixture.model, 3);
  for (const int64_t length : {1, 2, 7, 16, 33, 40, 101}) {
    const auto expected = one->logits(fixture.ids(length));
    EXPECT_EQ(expected, two->logits(fixture.ids(length))) << length;
    EXPECT_EQ(expected, three->logits(fixture.ids(length))) << length;
  }
}

// A token's logits are the same to the bit whether what is before it came as one prompt, or token by token from the
// cache.
TEST_P(Invariance, PromptAndCacheAgreeToTheBit) {
  const Fixture fixture = load_fixture(GetParam());
  const auto model = open_model(fixture.model);
  GenerationOptions options = greedy_options(24);
  options.logprobs = 5;
  const auto whole = model->complete(fixture.prompt, options);
  ASSERT_EQ(whole.logprobs.size(), 24U);
  options.max_tokens = 1;
  for (int64_t made = 0; made < 24; ++made) {
    const auto ids = fixture.ids(static_cast<int64_t>(fixture.prompt.size()) + made);
    const auto next = model->complete(ids, options);
    ASSERT_EQ(next.logprobs.size(), 1U);
    EXPECT_EQ(next.logprobs[0].logprob, whole.logprobs[static_cast<std::size_t>(made)].logprob) << made;
    EXPECT_EQ(next.logprobs[0].top, whole.logprobs[static_cast<std::size_t>(made)].top) << made;
  }
}

// Nothing that ran before leaves a trace.
TEST_P(Invariance, EarlierCallsLeaveNoTrace) {
  const Fixture fixture = load_fixture(GetParam());
  const auto model = open_model(fixture.model);
  const auto before = model->logits(fixture.prompt);
  (void)model->complete(fixture.ids(90), greedy_options(10));
  (void)model->logits(fixture.ids(3));
  EXPECT_EQ(before, model->logits(fixture.prompt));
}

TEST_P(Invariance, SeedDecidesWhatIsSampled) {
  const Fixture fixture = load_fixture(GetParam());
  const auto one = open_model(fixture.model, 1);
  const auto two = open_model(fixture.model, 2);
  GenerationOptions options = greedy_options(40);
  options.temperature = 3.0;  // these models are sure of themselves
  options.top_p = 0.95;
  options.logprobs = 0;
  options.seed = 17;
  const auto first = one->complete(fixture.prompt, options);
  EXPECT_EQ(first.seed, 17U);
  EXPECT_NE(first.tokens, std::vector<int64_t>(fixture.greedy.begin(), fixture.greedy.begin() + 40));
  for (TorchModel* model : {one.get(), two.get()}) {
    const auto again = model->complete(fixture.prompt, options);
    EXPECT_EQ(first.tokens, again.tokens);
    EXPECT_EQ(logprobs_of(first), logprobs_of(again));
  }
  options.seed = 18;
  EXPECT_NE(first.tokens, one->complete(fixture.prompt, options).tokens);

  // A drawn seed is reported, and gives the same again.
  options.seed.reset();
  const auto drawn = one->complete(fixture.prompt, options);
  options.seed = drawn.seed;
  EXPECT_EQ(drawn.tokens, one->complete(fixture.prompt, options).tokens);
}

TEST_P(Invariance, CallersAtOnceGetWhatEachWouldGetAlone) {
  const Fixture fixture = load_fixture(GetParam());
  const auto model = open_model(fixture.model, 2);
  GenerationOptions options = greedy_options(30);
  options.temperature = 2.0;
  const auto ask = [&](uint64_t seed) {
    GenerationOptions own = options;
    own.seed = seed;
    return model->complete(fixture.ids(20 + static_cast<int64_t>(seed)), own).tokens;
  };
  std::vector<std::vector<int64_t>> alone;
  for (uint64_t seed = 0; seed < 6; ++seed) {
    alone.push_back(ask(seed));
  }
  std::vector<std::future<std::vector<int64_t>>> answers;
  for (uint64_t seed = 0; seed < 6; ++seed) {
    answers.push_back(std::async(std::launch::async, ask, seed));
  }
  for (uint64_t seed = 0; seed < 6; ++seed) {
    EXPECT_EQ(answers[seed].get(), alone[seed]) << seed;
  }
}

INSTANTIATE_TEST_SUITE_P(Some, Invariance,
                         ::testing::Values("llama", "llama_bf16", "mistral", "mistral_bf16", "qwen3_bf16", "smollm3",
                                           "gpt2", "gpt2_bf16", "gemma2_bf16", "gemma3", "gemma3_bf16", "phi3_bf16",
                                           "olmo2_bf16", "granite", "gpt_neox_bf16"),
                         [](const auto& name) { return name.param; });

}  // namespace
}  // namespace dstorch::parity
