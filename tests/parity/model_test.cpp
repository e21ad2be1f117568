// The models below the driver: the composed ops that training uses, and prompts cut into chunks.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/nn/module.h>

#include "dstorch/checkpoint.h"
#include "models/checkpoint_weights.h"
#include "models/registry.h"
#include "parity/fixture.h"

namespace dstorch::parity {
namespace {

std::shared_ptr<models::CausalLM> build(const Fixture& fixture, std::optional<at::ScalarType> dtype,
                                        at::ScalarType cache_dtype = at::kFloat) {
  models::CheckpointWeights::Options options;
  options.dtype = dtype;
  models::CheckpointWeights weights(Checkpoint::open(fixture.model), options);
  models::ModelOptions model_options;
  model_options.cache_dtype = cache_dtype;
  auto model = models::create_model(read_json(fixture.model / "config.json"), weights, model_options);
  weights.finish();
  EXPECT_EQ(weights.count(), fixture.parameters);
  return model;
}

at::Tensor to_tensor(const std::vector<int64_t>& ids) { return at::tensor(ids, at::kLong).unsqueeze(0); }

std::vector<float> row(const at::Tensor& logits, int64_t position) {
  const auto values = logits[0][position].to(at::kFloat).contiguous();
  return {values.data_ptr<float>(), values.data_ptr<float>() + values.numel()};
}

class Model : public ::testing::TestWithParam<std::string> {};

// What is trained is what generates: with gradients on, whole sequences without a cache, all positions in one pass.
TEST_P(Model, ComposedPathSaysWhatTransformersSays) {
  const Fixture fixture = load_fixture(GetParam());
  const auto model = build(fixture, at::kFloat);
  for (auto& parameter : model->parameters()) {
    parameter.requires_grad_(true);
  }
  const auto logits = model->forward(to_tensor(fixture.ids(fixture.positions.back() + 1)));
  EXPECT_TRUE(logits.requires_grad());
  for (std::size_t i = 0; i < fixture.positions.size(); ++i) {
    EXPECT_LE(largest_difference(row(logits, fixture.positions[i]), fixture.logits[i]), 1e-4 * fixture.range)
        << "position " << fixture.positions[i];
  }
  logits.sum().backward();
  for (const auto& parameter : model->named_parameters()) {
    EXPECT_TRUE(parameter.value().grad().defined()) << parameter.key();
  }
}

// However a sequence is cut into chunks, its logits are the same to the bit.
TEST_P(Model, ChunksChangeNoBit) {
  const Fixture fixture = load_fixture(GetParam());
  const auto dtype = fixture.weights_dtype == "bfloat16" ? at::kBFloat16 : at::kFloat;
  const auto model = build(fixture, std::nullopt, dtype);
  const at::NoGradGuard no_grad;
  const int64_t length = fixture.positions.back() + 1;
  const auto ids = to_tensor(fixture.ids(length));
  const auto state = model->make_state(length);
  const auto whole = model->logits(model->hidden(ids, state.get()));
  for (const std::vector<int64_t>& chunks : {std::vector<int64_t>{1}, {2}, {5}, {16, 1}, {31}, {40, 1}, {3, 64}}) {
    const auto pieces = model->make_state(length);
    std::vector<at::Tensor> logits;
    for (std::size_t next = 0; pieces->length() < length; ++next) {
      const int64_t size = std::min(chunks[std::min(next, chunks.size() - 1)], length - pieces->length());
      const auto chunk = ids.narrow(1, pieces->length(), size);
      logits.push_back(model->logits(model->hidden(chunk, pieces.get())));
    }
    EXPECT_TRUE(at::equal(at::cat(logits, 1), whole)) << "chunks of " << chunks.front() << ", " << chunks.back();
  }
}

// Sequences of a batch do not see each other.
TEST_P(Model, BatchedSequencesAreApart) {
  const Fixture fixture = load_fixture(GetParam());
  const auto model = build(fixture, at::kFloat);
  const at::NoGradGuard no_grad;
  const auto first = to_tensor(fixture.ids(30));
  const auto second = first.flip(1);
  const auto together = model->forward(at::cat({first, second}, 0));
  EXPECT_TRUE(at::allclose(together[0], model->forward(first)[0], 1e-4, 1e-4));
  EXPECT_TRUE(at::allclose(together[1], model->forward(second)[0], 1e-4, 1e-4));
}

INSTANTIATE_TEST_SUITE_P(All, Model, ::testing::ValuesIn(fixture_names()), [](const auto& name) { return name.param; });

}  // namespace
}  // namespace dstorch::parity
