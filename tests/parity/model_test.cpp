// The models below the driver: the composed ops that training uses, and prompts cut into chunks.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/nn/module.h>

#include "dstorch/checkpoint.h"
#include "models/checkpoint_weights.h"
#include "models/registry.h"
#include "nn/kv_pool.h"
#include "parity/fixture.h"
#include "support/tolerances.h"

namespace dstorch::parity {
namespace {

using test::Compared;

std::shared_ptr<models::LanguageModel> build(const Fixture& fixture, std::optional<at::ScalarType> dtype) {
  models::CheckpointWeights::Options options;
  options.dtype = dtype;
  models::CheckpointWeights weights(Checkpoint::open(fixture.model), options);
  auto model = models::create_model(read_json(fixture.model / "config.json"), weights);
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
    EXPECT_LE(largest_difference(row(logits, fixture.positions[i]), fixture.logits[i]),
              test::tolerance(Compared::logits) * fixture.range)
        << "position " << fixture.positions[i];
  }
  logits.sum().backward();
  for (const auto& parameter : model->named_parameters()) {
    EXPECT_TRUE(parameter.value().grad().defined()) << parameter.key();
  }
}

/// The next `count` tokens of a sequence as a batch of their own.
ops::Batch next_batch(const at::Tensor& ids, int64_t position, int64_t count, nn::KvPool& pool,
                      nn::SequencePages& pages) {
  pages.prepare(position, position + count);
  ops::Batch batch;
  batch.tokens = ids[0].narrow(0, position, count);
  batch.spans = {{.first = 0, .count = count, .position = position, .pages = pages.ids()}};
  batch.groups = &pool.groups();
  return batch;
}

// However a sequence is cut into chunks, its logits are the same to the bit; pages that windows have passed are gone.
TEST_P(Model, ChunksChangeNoBit) {
  const Fixture fixture = load_fixture(GetParam());
  const auto dtype = fixture.weights_dtype == "bfloat16" ? at::kBFloat16 : at::kFloat;
  const auto model = build(fixture, std::nullopt);
  const at::NoGradGuard no_grad;
  const int64_t length = fixture.positions.back() + 1;
  const auto ids = to_tensor(fixture.ids(length));
  nn::KvPool pool(model->kv_layout(), dtype, 0);
  const auto run = [&](const std::vector<int64_t>& chunks) {
    nn::SequencePages pages(pool);
    std::vector<at::Tensor> logits;
    int64_t position = 0;
    for (std::size_t next = 0; position < length; ++next) {
      const int64_t size = std::min(chunks[std::min(next, chunks.size() - 1)], length - position);
      logits.push_back(model->logits(model->hidden(next_batch(ids, position, size, pool, pages))));
      position += size;
    }
    return at::cat(logits);
  };
  const auto whole = run({length});
  for (const std::vector<int64_t>& chunks : {std::vector<int64_t>{1}, {2}, {5}, {16, 1}, {31}, {40, 1}, {3, 64}}) {
    EXPECT_TRUE(at::equal(run(chunks), whole)) << "chunks of " << chunks.front() << ", " << chunks.back();
  }
  EXPECT_EQ(pool.pages_in_use(), 0);
}

// Sequences of a batch do not see each other.
TEST_P(Model, BatchedSequencesAreApart) {
  const Fixture fixture = load_fixture(GetParam());
  const auto model = build(fixture, at::kFloat);
  const at::NoGradGuard no_grad;
  const auto first = to_tensor(fixture.ids(30));
  const auto second = first.flip(1);
  const auto together = model->forward(at::cat({first, second}, 0));
  const auto apart = test::tolerance(Compared::sequences_apart);
  EXPECT_TRUE(at::allclose(together[0], model->forward(first)[0], apart, apart));
  EXPECT_TRUE(at::allclose(together[1], model->forward(second)[0], apart, apart));
}

INSTANTIATE_TEST_SUITE_P(All, Model, ::testing::ValuesIn(fixture_names()), [](const auto& name) { return name.param; });

}  // namespace
}  // namespace dstorch::parity
