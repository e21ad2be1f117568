#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "models/ledger.h"
#include "models/training_memory.h"

namespace dstorch::models {

/// What the blocks of a model allocate in a step of training, forward and backward: keep it beside train/step.cpp,
/// train/example_pass.cpp (adapters) and the composed ops.
class TrainingLayers {
 public:
  using Block = Ledger::Block;
  using Blocks = std::vector<Block>;

  TrainingLayers(Ledger& ledger, const ModelSizes& sizes, const TrainingShape& shape)
      : ledger_(ledger),
        sizes_(sizes),
        shape_(shape),
        tokens_(shape.batch * shape.sequence),
        product_(shape.bfloat16 ? kHalf : kFloat) {}

 protected:
  /// What a layer keeps for its gradients, by when the backward pass lets it go.
  struct SavedLayer {
    Blocks mlp_after;   // of the norm after the last product
    Blocks mlp_output;  // the input of the last product
    Blocks mlp;
    Blocks mlp_norm;
    Blocks attention_after;
    Blocks attention_output;
    Blocks probabilities;
    Blocks attention;
    Blocks attention_norm;
  };

  [[nodiscard]] int64_t query_size() const { return sizes_.num_heads * sizes_.head_dim; }
  [[nodiscard]] int64_t key_size() const { return sizes_.num_kv_heads * sizes_.head_dim; }
  [[nodiscard]] int64_t scores_size() const {
    return shape_.batch * sizes_.num_heads * shape_.sequence * shape_.sequence;
  }
  [[nodiscard]] bool lora() const { return shape_.lora_rank > 0; }

  Block floats(int64_t count) { return ledger_.take(kFloat * count); }
  Block rows(int64_t width) { return floats(tokens_ * width); }
  /// What products take and give: bfloat16 under autocast.
  Block numbers(int64_t count) { return ledger_.take(product_ * count); }
  Block narrow(int64_t width) { return numbers(tokens_ * width); }

  /// Where a product reads a copy of its weights, in bfloat16 under autocast, its input's gradient needs that too. What
  /// lies below adapters is in the format of the products already.
  void weights(int64_t count, Blocks& saved) {
    if (shape_.bfloat16 && !lora()) {
      saved.push_back(numbers(count));
    }
  }

  /// The input of `products` products, normalized. Under autocast each makes its own copy of it, and the block that
  /// comes back, the input itself, is kept only as long as the caller does.
  Block norm_for(int64_t products, Blocks& saved) {
    auto normed = sizes_.norm_before ? norm(sizes_.hidden_size, saved) : Block();
    if (!shape_.bfloat16) {
      saved.push_back(std::move(normed));
      return {};
    }
    for (int64_t i = 0; i < products; ++i) {
      saved.push_back(narrow(sizes_.hidden_size));
    }
    return normed;
  }

  /// What goes from the first matrix of an adapter to its second, for each of `products` products.
  void adapters(int64_t products, Blocks& saved) {
    if (lora()) {
      saved.push_back(narrow(products * shape_.lora_rank));
    }
  }

  /// What an adapter makes before it is added to the product, of so many numbers a token.
  void adapted(int64_t width) {
    if (lora()) {
      const auto plain = narrow(width);
      const auto change = narrow(width);
      const auto scaled = narrow(width);
    }
  }

  /// `width` numbers a token, normalized over parts of them; the input is the caller's to keep. One in
  /// bfloat16 makes what it scaled as narrow again, before the product with the weight, which is in float32.
  Block norm(int64_t width, Blocks& saved, bool narrow_input = false) {
    if (!sizes_.rms_norm) {
      return rows(width);
    }
    rows(width).release();  // the squares
    auto scaled = rows(width);
    if (narrow_input) {
      scaled = narrow(width);
    }
    auto normed = rows(width);
    if (!lora()) {
      saved.push_back(std::move(scaled));
    }
    return normed;
  }

  void keep_gradient(int64_t count) { gradients_.push_back(ledger_.take(kFloat * count, MemoryKind::gradients)); }

  /// Among the temporaries until the product is through, then kept.
  Block weight_gradient(int64_t count) { return lora() ? Block() : floats(count); }

  void norm_backward() { const auto parts = rows(4 * sizes_.hidden_size); }

  /// Its output; what it keeps is the last of `layers_`.
  Block forward_layer(Block x, bool rotated);
  void backward_layer(SavedLayer& layer);

  Ledger& ledger_;
  const ModelSizes& sizes_;
  const TrainingShape& shape_;
  int64_t tokens_;
  int64_t product_;  // bytes of a number in a product
  std::vector<SavedLayer> layers_;

 private:
  /// In float32 after a norm, else as products are.
  Block rotate(int64_t width);
  /// Queries or keys [batch * kv_heads, .., head_dim]; true when they stay a view of qkv.
  bool heads(int64_t width, bool rotated, bool copies, Blocks& saved);
  Block attention(SavedLayer& layer, bool rotated);
  /// What a product adds to the residual stream, and the sum; `saved` is for a norm between them.
  Block residual(Blocks& saved);
  /// What a product makes of all query or key heads, normed together.
  Block whole_norm(int64_t width, Blocks& saved);
  /// Keeps what goes into a part, unless all that reads it makes a copy of its own.
  void keep_input(Block x, Blocks& saved);
  Block forward_attention(SavedLayer& layer, bool rotated);
  void forward_mlp(SavedLayer& layer);
  /// The gradient of what goes into a norm after a product.
  Block backward_after(Blocks& saved);
  /// The gradient of what goes into the feed-forward part's last product.
  Block backward_output(SavedLayer& layer);
  void backward_mlp(SavedLayer& layer, Block inner);
  void backward_attention(SavedLayer& layer);

  Block input_;  // of a part that keeps copies alone
  Blocks gradients_;
};

}  // namespace dstorch::models
