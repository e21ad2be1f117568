// A weight format in blocks needs nothing above the ops and the files: one is added here, and models run on it.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "core/json.h"
#include "models/checkpoint_weights.h"
#include "models/registry.h"
#include "support/tolerances.h"

namespace dstorch::models {
namespace {

constexpr int64_t kElements = 4;
constexpr int64_t kBytes = 8;  // a float32 scale and four int8

at::Tensor dequantize(const ops::Weight& weight, at::ScalarType dtype) {
  const auto blocks = weight.data.contiguous().view({weight.rows, weight.columns / kElements, kBytes});
  auto dense = at::empty({weight.rows, weight.columns / kElements, kElements});
  const auto* from = blocks.data_ptr<uint8_t>();
  auto* to = dense.data_ptr<float>();
  for (int64_t block = 0; block < weight.rows * weight.columns / kElements; ++block, from += kBytes) {
    float scale = 0;
    std::memcpy(&scale, from, sizeof(scale));
    for (int64_t i = 0; i < kElements; ++i) {
      *to++ = scale * static_cast<float>(static_cast<int8_t>(from[sizeof(scale) + static_cast<std::size_t>(i)]));
    }
  }
  return dense.view({weight.rows, weight.columns}).to(dtype);
}

const ops::WeightFormat kFormat{.blocks = {.name = "test_i8x4", .elements = kElements, .bytes = kBytes},
                                .dequantize = dequantize};

std::vector<std::byte> quantize(const at::Tensor& dense) {
  std::vector<std::byte> bytes;
  const auto rows = dense.contiguous();
  const auto* from = rows.data_ptr<float>();
  for (int64_t block = 0; block < rows.numel() / kElements; ++block, from += kElements) {
    float most = 0;
    for (int64_t i = 0; i < kElements; ++i) {
      most = std::max(most, std::abs(from[i]));
    }
    const float scale = most / 127;
    const auto* scale_bytes = reinterpret_cast<const std::byte*>(&scale);
    bytes.insert(bytes.end(), scale_bytes, scale_bytes + sizeof(scale));
    for (int64_t i = 0; i < kElements; ++i) {
      bytes.push_back(static_cast<std::byte>(static_cast<int8_t>(std::lround(from[i] / scale))));
    }
  }
  return bytes;
}

/// The weights of a model that was made here: matrices in blocks, or as the numbers these stand for.
class MadeCheckpoint : public Checkpoint {
 public:
  MadeCheckpoint(const Json& config, bool in_blocks) {
    nn::FreshWeights fresh{at::TensorOptions(at::kFloat)};
    const auto model = create_model(config, fresh);
    const at::NoGradGuard no_grad;
    at::manual_seed(17);
    for (const auto& entry : model->named_parameters()) {
      const auto& tensor = entry.value();
      const bool matrix = tensor.dim() == 2;
      auto values = at::empty(tensor.sizes()).normal_(matrix ? 0 : 1, 0.1);
      auto bytes = matrix ? quantize(values) : std::vector<std::byte>();
      if (matrix && !in_blocks) {
        const auto data = at::from_blob(bytes.data(), {tensor.size(0), tensor.size(1) / kElements * kBytes}, at::kByte);
        values = ops::Weight(kFormat, data, tensor.size(1)).dense(at::kFloat);
      }
      if (!matrix || !in_blocks) {
        bytes.resize(values.nbytes());
        std::memcpy(bytes.data(), values.data_ptr(), values.nbytes());
      }
      storages_.push_back(std::move(bytes));
      TensorView view;
      view.name = entry.key();
      view.shape = tensor.sizes().vec();
      view.strides = tensor.sizes().size() == 2 ? std::vector<int64_t>{tensor.size(1), 1} : std::vector<int64_t>{1};
      view.blocks = matrix && in_blocks ? &kFormat.blocks : nullptr;
      view.storage = storages_.back();
      views_.push_back(std::move(view));
    }
  }
  [[nodiscard]] CheckpointKind kind() const override { return CheckpointKind::safetensors; }
  [[nodiscard]] CheckpointAccess access() const override { return CheckpointAccess::copy; }
  void require_unchanged() const override {}
  [[nodiscard]] const std::vector<TensorView>& tensors() const override { return views_; }
  [[nodiscard]] const TensorView* find(std::string_view name) const override {
    for (const auto& view : views_) {
      if (view.name == name) {
        return &view;
      }
    }
    return nullptr;
  }
  [[nodiscard]] const std::map<std::string, std::string>& metadata() const override { return metadata_; }
  [[nodiscard]] const std::vector<std::filesystem::path>& files() const override { return files_; }

 private:
  std::vector<std::vector<std::byte>> storages_;
  std::vector<TensorView> views_;
  std::map<std::string, std::string> metadata_;
  std::vector<std::filesystem::path> files_;
};

struct Made {
  std::shared_ptr<LanguageModel> model;
  int64_t bytes;
};

Made make(const Json& config, bool in_blocks, std::optional<at::ScalarType> dtype = {}) {
  CheckpointWeights weights(std::make_shared<MadeCheckpoint>(config, in_blocks), {.dtype = dtype});
  Made made{create_model(config, weights), 0};
  weights.finish();
  made.bytes = weights.bytes();
  return made;
}

class BlockFormats : public testing::TestWithParam<const char*> {
 protected:
  static void SetUpTestSuite() { ops::add_weight_format(kFormat); }
  [[nodiscard]] static Json config() {
    if (GetParam() == std::string("gpt2")) {
      return {{"model_type", "gpt2"}, {"vocab_size", 40}, {"n_embd", 32},
              {"n_layer", 2},         {"n_head", 4},      {"n_positions", 64}};
    }
    return {{"model_type", "llama"},    {"vocab_size", 40},
            {"hidden_size", 32},        {"intermediate_size", 48},
            {"num_hidden_layers", 2},   {"num_attention_heads", 4},
            {"num_key_value_heads", 2}, {"tie_word_embeddings", GetParam() == std::string("tied")}};
  }
};

TEST_P(BlockFormats, AModelRunsOnThem) {
  const at::NoGradGuard no_grad;
  const auto dense = make(config(), false);
  const auto blocks = make(config(), true);
  if (GetParam() != std::string("gpt2")) {  // whose weights lie the other way round, and are made numbers
    EXPECT_LT(blocks.bytes, dense.bytes * 6 / 10);
  }
  const auto tokens = at::arange(12, at::kLong).view({1, 12});
  const auto want = dense.model->forward(tokens);
  EXPECT_LT((blocks.model->forward(tokens) - want).abs().max().item<double>(),
            test::tolerance(test::Compared::logits_from_blocks) * want.abs().max().item<double>());
  const auto converted = make(config(), true, at::kFloat);
  EXPECT_EQ(converted.bytes, dense.bytes);
  EXPECT_TRUE(converted.model->forward(tokens).equal(want));
}

INSTANTIATE_TEST_SUITE_P(Models, BlockFormats, testing::Values("llama", "tied", "gpt2"),
                         [](const auto& name) { return std::string(name.param); });

TEST(WeightFormats, ANameIsTakenOnce) {
  static const ops::WeightFormat format{.blocks = {.name = "test_once"}, .dequantize = dequantize};
  EXPECT_EQ(ops::find_weight_format("test_once"), nullptr);
  ops::add_weight_format(format);
  EXPECT_EQ(ops::find_weight_format("test_once"), &format);
  EXPECT_THROW(ops::add_weight_format(format), LMError);
}

}  // namespace
}  // namespace dstorch::models
