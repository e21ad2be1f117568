// What a step of training allocates, block by block: keep it beside train/step.cpp and the composed ops.

#include <algorithm>

#include "models/ledger.h"
#include "models/pass_memory.h"

namespace dstorch::models {
namespace {

constexpr int64_t kFloat = 4;
constexpr int64_t kIndex = 8;

using Block = Ledger::Block;
using Blocks = std::vector<Block>;

/// What a layer keeps for its gradients, by when the backward pass lets it go.
struct SavedLayer {
  Blocks mlp_output;  // the input of the last product
  Blocks mlp;
  Blocks mlp_norm;
  Blocks attention_output;
  Blocks probabilities;
  Blocks attention;
  Blocks attention_norm;
};

class Step {
 public:
  Step(Ledger& ledger, const ModelSizes& sizes, const TrainingShape& shape)
      : ledger_(ledger), sizes_(sizes), shape_(shape), tokens_(shape.batch * shape.sequence) {}

  void run() {
    const auto batch = ledger_.take(2 * tokens_ * kIndex, MemoryKind::other);
    forward();
    backward();
    update();
  }

 private:
  [[nodiscard]] int64_t query_size() const { return sizes_.num_heads * sizes_.head_dim; }
  [[nodiscard]] int64_t key_size() const { return sizes_.num_kv_heads * sizes_.head_dim; }
  [[nodiscard]] int64_t scores_size() const {
    return shape_.batch * sizes_.num_heads * shape_.sequence * shape_.sequence;
  }
  [[nodiscard]] bool lora() const { return shape_.lora_rank > 0; }

  Block floats(int64_t count) { return ledger_.take(kFloat * count); }
  Block rows(int64_t width) { return floats(tokens_ * width); }

  /// The input of a product with an adapter's first matrix goes into `saved`.
  void adapter(Blocks& saved) {
    if (lora()) {
      saved.push_back(rows(shape_.lora_rank));
    }
  }

  /// `width` numbers a token, normalized over parts of them; the input is the caller's to keep.
  Block norm(int64_t width, Blocks& saved) {
    if (!sizes_.rms_norm) {
      return rows(width);
    }
    saved.push_back(rows(width));  // the squares
    auto scaled = rows(width);
    auto normed = rows(width);
    if (!lora()) {
      saved.push_back(std::move(scaled));
    }
    return normed;
  }

  Block rotate(int64_t width) {
    auto products = rows(2 * width);
    const auto halves = rows(width);
    products.release();
    return rows(width);
  }

  /// Queries or keys [batch * kv_heads, .., head_dim]; true when they stay a view of qkv.
  bool heads(int64_t width, bool rotated, bool copies, Blocks& saved) {
    Block now;
    if (sizes_.qk_norm) {
      now = norm(width, saved);
    }
    if (rotated) {
      saved.push_back(rotate(width));
    } else if (copies) {
      saved.push_back(rows(width));
    } else if (sizes_.qk_norm) {
      saved.push_back(std::move(now));
    } else {
      return true;
    }
    return sizes_.qk_norm;  // the norm keeps its input
  }

  Block attention(SavedLayer& layer, bool rotated) {
    const bool batched = shape_.batch > 1;
    const bool grouped = sizes_.num_heads != sizes_.num_kv_heads;
    auto qkv = rows(query_size() + 2 * key_size());
    bool keep = heads(query_size(), rotated, batched || grouped, layer.attention);
    keep = heads(key_size(), rotated, batched, layer.attention) || keep;
    if (batched) {
      layer.attention.push_back(rows(key_size()));
    } else {
      keep = true;
    }
    auto products = floats(scores_size());
    auto scaled = floats(scores_size());
    products.release();
    const auto mask = floats(shape_.sequence * shape_.sequence);
    auto scores = floats(scores_size());
    scaled.release();
    layer.probabilities.push_back(floats(scores_size()));
    const auto mixed = rows(query_size());
    layer.attention_output.push_back(rows(query_size()));
    adapter(layer.attention_output);
    if (keep) {
      layer.attention.push_back(std::move(qkv));
      return {};
    }
    return qkv;  // the layer's own until its end
  }

  Block residual() {
    const auto output = rows(sizes_.hidden_size);
    return rows(sizes_.hidden_size);
  }

  Block forward_layer(Block x, bool rotated) {
    auto& layer = layers_.emplace_back();
    layer.attention_norm.push_back(std::move(x));
    Block qkv;
    {
      layer.attention_norm.push_back(norm(sizes_.hidden_size, layer.attention_norm));
      adapter(layer.attention_norm);
      const auto parts = rows(query_size() + 2 * key_size());
      qkv = rows(query_size() + 2 * key_size());
    }
    qkv.release();  // counted again by whoever keeps it
    qkv = attention(layer, rotated);
    layer.mlp_norm.push_back(residual());
    layer.mlp_norm.push_back(norm(sizes_.hidden_size, layer.mlp_norm));
    adapter(layer.mlp_norm);
    const auto width = sizes_.intermediate_size;
    layer.mlp.push_back(rows(width));
    if (sizes_.gated_mlp) {
      layer.mlp.push_back(rows(width));
      layer.mlp.push_back(rows(width));
    }
    layer.mlp_output.push_back(rows(width));
    adapter(layer.mlp_output);
    return residual();
  }

  void forward() {
    Block x;
    {
      x = rows(sizes_.hidden_size);
      if (sizes_.rotated_layers == 0) {
        const auto positions = floats(shape_.sequence * sizes_.hidden_size);
        x = rows(sizes_.hidden_size);
      }
    }
    for (int64_t i = 0; i < sizes_.num_layers; ++i) {
      x = forward_layer(std::move(x), i < sizes_.rotated_layers);
    }
    head_.push_back(std::move(x));
    head_.push_back(norm(sizes_.hidden_size, head_));
    const auto logits = rows(sizes_.vocab_size);
    loss_ = rows(sizes_.vocab_size);  // the logarithms of the softmax
  }

  void keep_gradient(int64_t count) { gradients_.push_back(ledger_.take(kFloat * count, MemoryKind::gradients)); }

  void norm_backward() { const auto parts = rows(4 * sizes_.hidden_size); }

  void backward() {
    Block pending;  // a tied table's gradient waits for its other half among the temporaries
    Block gradient;
    {
      auto outer = rows(sizes_.vocab_size);
      const auto inner = rows(sizes_.vocab_size);
      loss_.release();
      outer.release();
      if (!lora()) {
        pending = floats(sizes_.vocab_size * sizes_.hidden_size);
      }
      gradient = rows(sizes_.hidden_size);
    }
    if (!sizes_.tied && !lora()) {
      pending.release();
      keep_gradient(sizes_.vocab_size * sizes_.hidden_size);
    }
    norm_backward();
    head_.clear();
    for (auto layer = layers_.rbegin(); layer != layers_.rend(); ++layer) {
      backward_layer(*layer);
    }
    if (lora()) {
      return;
    }
    const auto blocks = sizes_.num_layers * shape_.block_parameters;
    const auto head = sizes_.tied ? 0 : sizes_.vocab_size * sizes_.hidden_size;
    if (sizes_.tied) {
      const auto second = floats(sizes_.vocab_size * sizes_.hidden_size);
      pending.release();
    }
    keep_gradient(shape_.parameters - blocks - head);
  }

  void backward_layer(SavedLayer& layer) {
    const auto width = sizes_.intermediate_size;
    {
      auto inner = rows(width);
      layer.mlp_output.clear();
      if (sizes_.gated_mlp) {
        auto gate = rows(width);
        auto up = rows(width);
        inner.release();
        const auto first = rows(sizes_.hidden_size);
        up.release();
        const auto active = rows(width);
        gate.release();
        const auto second = rows(sizes_.hidden_size);
      } else {
        const auto active = rows(width);
        inner.release();
        const auto first = rows(sizes_.hidden_size);
      }
      layer.mlp.clear();
    }
    norm_backward();
    layer.mlp_norm.clear();
    {
      const auto output = rows(query_size());
      layer.attention_output.clear();
      auto probabilities = floats(scores_size());
      const auto values = rows(key_size());
      auto scores = floats(scores_size());
      probabilities.release();
      layer.probabilities.clear();
      const auto scaled = floats(scores_size());
      scores.release();
      const auto queries = rows(query_size() + key_size());
    }
    {
      const auto rotated = rows(3 * query_size());
      if (sizes_.qk_norm) {
        const auto parts = rows(4 * query_size());
      }
      layer.attention.clear();
    }
    norm_backward();
    layer.attention_norm.clear();
    keep_gradient(lora() ? shape_.lora_block_parameters : shape_.block_parameters);
  }

  /// AdamW's square root and quotient of one parameter at a time.
  void update() {
    const auto largest =
        lora() ? shape_.lora_rank * std::max(sizes_.hidden_size, sizes_.intermediate_size) : shape_.largest_parameter;
    const auto temporaries = floats(2 * largest);
  }

  Ledger& ledger_;
  const ModelSizes& sizes_;
  const TrainingShape& shape_;
  int64_t tokens_;
  std::vector<SavedLayer> layers_;
  Blocks head_;
  Block loss_;
  Blocks gradients_;
};

}  // namespace

TrainingMemory training_memory(const ModelSizes& sizes, const TrainingShape& shape) {
  const bool lora = shape.lora_rank > 0;
  const int64_t trained = lora ? shape.lora_parameters : shape.parameters;
  Ledger ledger;
  {
    const auto moments = ledger.take(2 * kFloat * trained, MemoryKind::optimizer);
    const auto tables =
        ledger.take(sizes.rotated_layers > 0 ? std::max<int64_t>(256, shape.sequence) * sizes.head_dim * kFloat : 0,
                    MemoryKind::other);
    Step(ledger, sizes, shape).run();
  }
  TrainingMemory memory;
  memory.activations = ledger.peak(MemoryKind::activations);
  memory.gradients = ledger.peak(MemoryKind::gradients);
  memory.optimizer = ledger.peak(MemoryKind::optimizer);
  // Drawing the first weights needs one parameter twice, saving a copy of what is not contiguous.
  const int64_t copies = lora ? 0 : 3 * kFloat * shape.transposed_parameters;
  memory.other = std::max({ledger.peak(MemoryKind::other), lora ? 0 : kFloat * shape.largest_parameter, copies});
  memory.together = std::max(ledger.peak(), memory.optimizer + copies);
  return memory;
}

}  // namespace dstorch::models
