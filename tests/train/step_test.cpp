// One training step on a model small enough to do it by hand.
#include "train/step.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dstorch/error.h"
#include "train/bigram.h"
#include "train/loss.h"

namespace dstorch::training {
namespace {

constexpr int64_t kVocabulary = 5;
constexpr double kLearningRate = 0.1;

Batch some_batch() {
  return {at::tensor({0, 1, 2, 3}, at::kLong).view({1, 4}), at::tensor({4, 2, 2, 1}, at::kLong).view({1, 4})};
}

at::Tensor some_table() {
  at::manual_seed(3);
  return at::randn({kVocabulary, kVocabulary});
}

at::Tensor gradient_of(const at::Tensor& table, const Batch& batch) {
  Bigram model(table);
  next_token_loss(model.forward(batch.inputs), batch.targets).backward();
  return model.table().grad().clone();
}

/// AdamW's first step (Loshchilov & Hutter 2019): the moments, freed of their bias, are the gradient and its square.
at::Tensor first_step(const at::Tensor& table, const at::Tensor& gradient, const AdamWSettings& settings) {
  return table * (1 - kLearningRate * settings.weight_decay) -
         kLearningRate * gradient / (gradient.abs() + settings.eps);
}

class Step : public testing::Test {
 protected:
  /// With an epsilon of the gradients' size, so that their size shows.
  AdamWSettings settings_{.eps = 0.5, .weight_decay = 0.25};
  const at::Tensor table_ = some_table();
  const Batch batch_ = some_batch();
  const at::Tensor gradient_ = gradient_of(table_, batch_);

  /// The table after one step, which must be the one made with `gradient`.
  void expect_step_with(const at::Tensor& gradient, double clip_norm) {
    Bigram model(table_);
    const auto parameters = parameters_of(model);
    Optimizer optimizer(parameters, settings_);
    const auto loss = backward_pass(model, batch_, /*bfloat16=*/false, 1);
    EXPECT_NEAR(update(parameters, optimizer, kLearningRate, clip_norm, loss, 1), gradient_.norm().item<double>(), 1e-6)
        << "before clipping";
    EXPECT_LE((model.table().detach() - first_step(table_, gradient, settings_)).abs().max().item<double>(), 1e-6);
    EXPECT_FALSE(model.table().grad().defined());
  }
};

TEST_F(Step, IsAdamWs) { expect_step_with(gradient_, 1000); }

TEST_F(Step, ClipsTheNormOfTheGradients) {
  const auto norm = gradient_.norm().item<double>();
  expect_step_with(gradient_ * 0.25, norm / 4);
}

TEST_F(Step, AClipNormOfZeroIsOff) { expect_step_with(gradient_, 0); }

/// sqrt at 0: a finite loss, an infinite slope.
class Cliff : public Bigram {
 public:
  using Bigram::Bigram;
  at::Tensor logits(const at::Tensor& hidden) override { return hidden.sqrt(); }
};

TEST_F(Step, GradientsThatAreNotFiniteChangeNothing) {
  Cliff model(at::zeros({kVocabulary, kVocabulary}));
  const auto parameters = parameters_of(model);
  Optimizer optimizer(parameters, settings_);
  try {
    update(parameters, optimizer, kLearningRate, 1, backward_pass(model, batch_, /*bfloat16=*/false, 17), 17);
    FAIL();
  } catch (const LMError& e) {
    EXPECT_EQ(e.kind(), ErrorKind::inference);
    EXPECT_THAT(e.what(), testing::HasSubstr("gradients of step 17 are not finite"));
  }
  EXPECT_EQ(model.table().abs().max().item<double>(), 0);
  EXPECT_FALSE(model.table().grad().defined()) << "the next step would add to them";
  EXPECT_EQ(optimizer.moments(0), nullptr);
}

}  // namespace
}  // namespace dstorch::training
