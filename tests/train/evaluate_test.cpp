// The loss on held-out text, against what a table of bigrams gives by hand.
#include "train/evaluate.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "dstorch/error.h"
#include "dstorch/tokenizer.h"
#include "train/bigram.h"

namespace dstorch::training {
namespace {

namespace fs = std::filesystem;

class Evaluate : public testing::Test {
 protected:
  Evaluate() {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    std::ofstream(folder_ / "text.txt") << "one two three two one two three\n";
    BpeTrainerOptions options;
    options.vocab_size = 265;
    train_bpe_tokenizer(std::vector<fs::path>{folder_ / "text.txt"}, folder_ / "tokenizer.json", options);
    tokenizer_ = Tokenizer::load(folder_ / "tokenizer.json");
    at::manual_seed(11);
    table_ = at::randn({tokenizer_->vocab_size(), tokenizer_->vocab_size()});
    append_tokens(*tokenizer_, "three two one, two three; three one two two\n", text_);
  }
  ~Evaluate() override { fs::remove_all(folder_); }

  /// Minus the log-probabilities, summed, of each id after the one before it.
  [[nodiscard]] double surprise(const std::vector<int32_t>& ids) const {
    const auto log_probabilities = at::log_softmax(table_.to(at::kDouble), -1);
    double sum = 0;
    for (std::size_t i = 1; i < ids.size(); ++i) {
      sum -= log_probabilities[ids[i - 1]][ids[i]].item<double>();
    }
    return sum;
  }

  void expect_for(std::optional<int64_t> first, const std::vector<int32_t>& ids, int64_t bytes, int64_t batch_size,
                  int64_t sequence_length) {
    SCOPED_TRACE(testing::Message() << batch_size << " of " << sequence_length);
    Bigram model(table_);
    const auto got = evaluate(model, text_, *tokenizer_, first, batch_size, sequence_length, false);
    const auto sum = surprise(ids);
    EXPECT_NEAR(got.loss, sum / static_cast<double>(ids.size() - 1), 1e-5);
    EXPECT_NEAR(got.bits_per_byte, sum / std::log(2.0) / static_cast<double>(bytes), 1e-5);
  }

  const fs::path folder_ = fs::temp_directory_path() / ("dstorch_evaluate_test_" + std::to_string(::getpid()));
  std::shared_ptr<const Tokenizer> tokenizer_;
  at::Tensor table_;
  TokenStream text_;
};

TEST_F(Evaluate, EveryTokenCountsOnceHoweverTheTextIsCut) {
  const int64_t first = 3;
  auto ids = text_.ids;
  ids.insert(ids.begin(), static_cast<int32_t>(first));
  ASSERT_GT(text_.size(), 15);
  for (const int64_t sequence_length : {1, 4, 7, 1000}) {
    for (const int64_t batch_size : {1, 2, 3, 100}) {
      expect_for(first, ids, text_.bytes, batch_size, sequence_length);
    }
  }
}

TEST_F(Evaluate, WithoutAContextTheFirstTokenAndItsBytesAreLeftOut) {
  const auto first = tokenizer_->decode(std::vector<int64_t>{text_.ids.front()}, false);
  ASSERT_FALSE(first.empty());
  expect_for({}, text_.ids, text_.bytes - static_cast<int64_t>(first.size()), 2, 5);
}

TEST_F(Evaluate, NeedsATokenToPredict) {
  Bigram model(table_);
  text_.ids.resize(1);
  EXPECT_THROW(evaluate(model, text_, *tokenizer_, {}, 2, 5, false), LMError);
}

}  // namespace
}  // namespace dstorch::training
