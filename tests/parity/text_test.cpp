// Text in, text out: perplexity, embeddings and generation with a tokenizer, against Hugging Face.
#include <gtest/gtest.h>

#include <cmath>

#include "parity/fixture.h"
#include "support/tolerances.h"

namespace dstorch::parity {
namespace {

using test::Compared;

class Text : public ::testing::Test {
 protected:
  Text() : expected_(read_json(fixtures_path() / "text/expected.json")) {}

  [[nodiscard]] std::string string_of(const char* key) const { return expected_.at(key).get<std::string>(); }
  [[nodiscard]] std::vector<int64_t> ids_of(const char* key) const {
    return expected_.at(key).get<std::vector<int64_t>>();
  }

  static std::unique_ptr<TorchModel> open(int64_t max_context) {
    TorchModelConfig config;
    config.model_path = fixtures_path() / "text/model";
    config.max_context = max_context;
    auto model = std::make_unique<TorchModel>(config);
    model->init();
    return model;
  }

  Json expected_;
};

TEST_F(Text, TokenizesAlike) {
  const auto tokenizer = open(0)->tokenizer();
  ASSERT_NE(tokenizer, nullptr);
  EXPECT_EQ(tokenizer->encode(string_of("text")), ids_of("ids"));
  EXPECT_EQ(tokenizer->decode(ids_of("ids")), string_of("text"));
}

TEST_F(Text, PerplexityIsTheCrossEntropy) {
  const auto result = open(0)->perplexity(string_of("text"));
  const double nll = expected_["nll"].get<double>();
  const auto predicted = static_cast<double>(ids_of("ids").size() - 1);
  EXPECT_NEAR(result.nll, nll, test::tolerance(Compared::likelihood) * nll);
  EXPECT_NEAR(result.perplexity, std::exp(nll / predicted),
              test::tolerance(Compared::likelihood) * std::exp(nll / predicted));
  EXPECT_EQ(result.tokens, static_cast<int64_t>(predicted));
  EXPECT_EQ(result.bytes, static_cast<int64_t>(string_of("text").size()));
  EXPECT_NEAR(result.bits_per_byte, nll / std::log(2.0) / static_cast<double>(string_of("text").size()),
              test::tolerance(Compared::likelihood));
}

TEST_F(Text, PerplexityOfALongTextGoesByWindows) {
  const auto result = open(expected_["window"].get<int64_t>())->perplexity(string_of("text"));
  const double nll = expected_["windowed_nll"].get<double>();
  EXPECT_NEAR(result.nll, nll, test::tolerance(Compared::likelihood) * nll);
  EXPECT_GT(std::abs(nll - expected_["nll"].get<double>()), 1e-2 * nll);  // else this test could not fail
  EXPECT_EQ(result.tokens, static_cast<int64_t>(ids_of("ids").size()) - 1);
}

TEST_F(Text, EmbeddingIsTheMeanOfTheLastHiddenStates) {
  const auto model = open(0);
  const auto expected = expected_["embedded"].get<std::vector<float>>();
  EXPECT_LE(largest_difference(model->embed(string_of("prompt")), expected), test::tolerance(Compared::hidden_mean));
  EXPECT_GT(largest_difference(model->embed(string_of("text")), expected), 1e-2);
}

// The answer has a character that is spread over tokens, and bytes that are none.
TEST_F(Text, GeneratesTheSameText) {
  const auto model = open(0);
  GenerationOptions options = greedy_options(static_cast<int64_t>(ids_of("answer_ids").size()));
  const auto result = model->complete(string_of("prompt"), options);
  EXPECT_EQ(result.tokens, ids_of("answer_ids"));
  EXPECT_EQ(result.text, string_of("answer"));
  EXPECT_EQ(result.usage.prompt_tokens, static_cast<int64_t>(ids_of("prompt_ids").size()));
  EXPECT_EQ(model->generate(string_of("prompt"), options), string_of("answer"));
  EXPECT_EQ(model->generate_async(string_of("prompt"), options).get(), string_of("answer"));

  std::string streamed;
  const auto keep = [&](std::string_view piece) {
    streamed += piece;
    return true;
  };
  EXPECT_EQ(model->stream(string_of("prompt"), keep, options).text, string_of("answer"));
  EXPECT_EQ(streamed, string_of("answer"));
}

TEST_F(Text, StopsBeforeAStopStringThatSpansTokens) {
  const auto model = open(0);
  GenerationOptions options = greedy_options(static_cast<int64_t>(ids_of("answer_ids").size()));
  const std::string answer = string_of("answer");
  const std::string stop = answer.substr(6, 6);
  options.stop_sequences = {"never said", stop};
  const auto result = model->complete(string_of("prompt"), options);
  EXPECT_EQ(result.text, answer.substr(0, answer.find(stop)));
  EXPECT_EQ(result.finish_reason, FinishReason::stop);
  EXPECT_EQ(result.stop_sequence, stop);
}

}  // namespace
}  // namespace dstorch::parity
