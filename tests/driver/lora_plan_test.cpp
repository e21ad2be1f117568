// The plan for adapters against adapters that train: dstorch cannot yet, so they are made here as Hu et al. 2021 define
// them, around the ops of dstorch's own models.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <filesystem>

#include "core/atomic_file.h"
#include "device/memory_account.h"
#include "driver/plan_checks.h"
#include "dstorch/torch_model.h"
#include "models/registry.h"
#include "nn/rope.h"
#include "ops/attention.h"
#include "ops/norm.h"
#include "ops/norm_linear.h"
#include "ops/norm_mlp.h"
#include "train/step.h"

namespace dstorch {
namespace {

namespace fs = std::filesystem;
using ops::LinearWeights;
using ops::NormWeights;
using test::gpt2_shape;
using test::llama_shape;
using test::with_type;

constexpr double kAlpha = 16;

/// y = W x + b + (alpha / r) B A x: W and b frozen, A and B trained, in float32.
class Adapted : public torch::nn::Module {
 public:
  Adapted(int64_t in, int64_t out, bool bias, int64_t rank, at::TensorOptions base)
      : base_{at::empty({out, in}, base).normal_(0, 0.02), bias ? at::zeros({out}, base) : at::Tensor()},
        a_(register_parameter("a", at::empty({rank, in}).normal_(0, 0.02))),
        b_(register_parameter("b", at::zeros({out, rank}))),
        scale_(kAlpha / static_cast<double>(rank)) {}

  at::Tensor forward(const at::Tensor& x) {
    return ops::linear_reference(x, base_) + at::linear(at::linear(x, a_), b_) * scale_;
  }

 private:
  LinearWeights base_;
  at::Tensor a_;
  at::Tensor b_;
  double scale_;
};

/// The family that `sizes` describe, with adapters on every product of its blocks; its numbers are random.
class AdaptedLM : public models::LanguageModel {
 public:
  AdaptedLM(const models::ModelSizes& sizes, int64_t rank, at::ScalarType dtype)
      : sizes_(sizes), base_(dtype), rope_({}, sizes.head_dim, at::kCPU) {
    const auto hidden = sizes.hidden_size;
    const auto query = sizes.num_heads * sizes.head_dim;
    const auto key = sizes.num_kv_heads * sizes.head_dim;
    const auto inner = sizes.intermediate_size;
    table_ = at::empty({sizes.vocab_size, hidden}, base_).normal_(0, 0.02);
    if (sizes.rotated_layers == 0) {
      positions_ = at::empty({sizes.max_positions, hidden}, base_).normal_(0, 0.02);
    }
    head_ = sizes.tied ? table_ : at::empty({sizes.vocab_size, hidden}, base_).normal_(0, 0.02);
    norm_ = norm(hidden);
    for (int64_t i = 0; i < sizes.num_layers; ++i) {
      Block block;
      const auto add = [&](const char* name, int64_t in, int64_t out) {
        return register_module(name + std::to_string(i),
                               std::make_shared<Adapted>(in, out, !sizes.rms_norm, rank, base_));
      };
      if (sizes.rms_norm) {
        block.qkv = {add("q", hidden, query), add("k", hidden, key), add("v", hidden, key)};
      } else {
        block.qkv = {add("qkv", hidden, query + 2 * key)};
      }
      block.output = add("output", query, hidden);
      block.gate = add("gate", hidden, inner);
      block.up = sizes.gated_mlp ? add("up", hidden, inner) : nullptr;
      block.down = add("down", inner, hidden);
      block.norm1 = norm(hidden);
      block.norm2 = norm(hidden);
      block.attention.num_heads = sizes.num_heads;
      block.attention.num_kv_heads = sizes.num_kv_heads;
      block.attention.head_dim = sizes.head_dim;
      block.attention.scale = 1 / std::sqrt(static_cast<double>(sizes.head_dim));
      if (sizes.qk_norm) {
        block.attention.query_norm = norm(sizes.head_dim);
        block.attention.key_norm = norm(sizes.head_dim);
      }
      blocks_.push_back(std::move(block));
    }
  }

  [[nodiscard]] const models::ModelSizes& sizes() const override { return sizes_; }
  [[nodiscard]] const nn::KvLayout& kv_layout() const override { return kv_layout_; }

  at::Tensor hidden(const ops::Batch& batch) override {
    const auto length = batch.common_length();
    const auto rope = sizes_.rotated_layers > 0 ? rope_.table(length) : ops::RopeTable{};
    auto x = at::embedding(table_, batch.tokens).to(at::kFloat);  // [rows, hidden]
    if (positions_.defined()) {
      const auto rows = at::embedding(positions_, at::arange(length)).to(at::kFloat);
      x = (x.view({-1, length, x.size(1)}) + rows).view_as(x);
    }
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      const bool rotated = static_cast<int64_t>(i) < sizes_.rotated_layers;
      x = layer(blocks_[i], std::move(x), rotated ? rope : ops::RopeTable{}, batch);
    }
    return x;
  }

  at::Tensor final_norm(const at::Tensor& hidden) override { return ops::norm_reference(hidden, norm_); }
  at::Tensor logits(const at::Tensor& hidden) override {
    const std::array<LinearWeights, 1> head{LinearWeights{head_, {}}};
    return ops::norm_linear_reference(hidden, norm_, head);
  }

 private:
  struct Block {
    std::vector<std::shared_ptr<Adapted>> qkv;
    std::shared_ptr<Adapted> output, gate, up, down;
    NormWeights norm1, norm2;
    ops::AttentionConfig attention;
  };

  [[nodiscard]] NormWeights norm(int64_t features) const {
    const bool rms = sizes_.rms_norm;
    return {rms ? ops::NormKind::rms : ops::NormKind::layer, at::ones({features}, base_),
            rms ? at::Tensor() : at::zeros({features}, base_)};
  }

  static at::Tensor project(const at::Tensor& x, const Block& block) {
    const auto normed = ops::norm_reference(x, block.norm1);
    if (block.qkv.size() == 1) {
      return block.qkv.front()->forward(normed);
    }
    std::vector<at::Tensor> parts;
    for (const auto& product : block.qkv) {
      parts.push_back(product->forward(normed));
    }
    return at::cat(parts, -1);
  }

  static at::Tensor mlp(const at::Tensor& x, const Block& block) {
    const auto normed = ops::norm_reference(x, block.norm2);
    if (block.up == nullptr) {
      return at::gelu(block.gate->forward(normed), "tanh");
    }
    const auto gate = at::silu(block.gate->forward(normed));
    return gate * block.up->forward(normed);
  }

  static at::Tensor layer(const Block& block, at::Tensor x, const ops::RopeTable& rope, const ops::Batch& batch) {
    const auto mixed = ops::attention(project(x, block), block.attention, rope, batch, {});
    x = x + block.output->forward(mixed);
    return x + block.down->forward(mlp(x, block));
  }

  models::ModelSizes sizes_;
  nn::KvLayout kv_layout_;
  at::TensorOptions base_;
  nn::Rope rope_;
  at::Tensor table_, positions_, head_;
  NormWeights norm_;
  std::vector<Block> blocks_;
};

struct Case {
  std::string name;
  Json config;
  const char* dtype;
  int64_t rank;
  int64_t batch;
  int64_t sequence;
};

void PrintTo(const Case& which, std::ostream* out) { *out << which.name; }

class LoraPlan : public testing::TestWithParam<Case> {};

TEST_P(LoraPlan, IsWhatAdaptersTake) {
  const auto& which = GetParam();
  auto json = which.config;
  json["torch_dtype"] = which.dtype;
  const auto path = fs::temp_directory_path() / fmt::format("dstorch_lora_plan_{}.json", ::getpid());
  write_file(path, json.dump());
  const auto plan = plan_memory(
      {.model_path = path},
      {.context = which.sequence, .batch = which.batch, .training = Training::lora, .lora_rank = which.rank});
  fs::remove(path);

  nn::FreshWeights fresh(at::TensorOptions(at::kMeta));
  const auto sizes = models::create_model(json, fresh)->sizes();
  const auto account = std::make_shared<MemoryAccount>();
  const MemoryScope scope(account, MemoryKind::other);
  std::shared_ptr<AdaptedLM> model;
  {
    const MemoryScope weights(MemoryKind::weights);
    model = std::make_shared<AdaptedLM>(sizes, which.rank, plan.dtype == DType::bfloat16 ? at::kBFloat16 : at::kFloat);
  }
  training::count_gradients(*model);
  const auto optimizer = training::make_optimizer(*model, {});
  double first = 0;
  double last = 0;
  const std::vector<int64_t> shape{which.batch, which.sequence};
  const training::Batch batch{at::randint(sizes.vocab_size, shape, at::kLong), at::zeros(shape, at::kLong)};
  for (int64_t step = 1; step <= 3; ++step) {
    last = training::train_step(*model, *optimizer, batch, 1e-2, 1.0, false, step).loss;
    first = step == 1 ? last : first;
  }
  EXPECT_LT(last, first) << "the adapters learn";
  test::expect_close(plan, account->use({}), 0.04);
  EXPECT_EQ(plan[MemoryKind::weights], account->use({})[MemoryKind::weights].peak);
}

INSTANTIATE_TEST_SUITE_P(
    All, LoraPlan,
    testing::Values(Case{"llama", llama_shape(500, 128, 344, 4, 4, 2, true), "float32", 8, 4, 64},
                    Case{"bfloat16", llama_shape(500, 128, 344, 4, 4, 2, true), "bfloat16", 8, 4, 64},
                    Case{"mostly_weights", llama_shape(300, 256, 688, 4, 4, 4, false), "bfloat16", 4, 1, 8},
                    Case{"much_attention", llama_shape(300, 64, 172, 4, 8, 4, false), "float32", 4, 2, 256},
                    Case{"a_wide_vocabulary", llama_shape(8000, 128, 344, 2, 4, 2, true), "bfloat16", 16, 4, 64},
                    Case{"many_layers", llama_shape(300, 96, 256, 12, 4, 2, true), "float32", 64, 8, 64},
                    Case{"gpt2", gpt2_shape(), "float32", 8, 4, 64},
                    Case{"qwen3", with_type(llama_shape(500, 128, 344, 3, 4, 2, true), "qwen3"), "bfloat16", 8, 4, 96}),
    [](const auto& which) { return which.param.name; });

}  // namespace
}  // namespace dstorch
