// What a step of training allocates, block by block: keep it beside train/step.cpp, train/example_pass.cpp (adapters)
// and the composed ops.

#include <algorithm>

#include "models/ledger.h"
#include "models/pass_memory.h"
#include "models/training_parts.h"

namespace dstorch::models {
namespace {

using Block = Ledger::Block;
using Blocks = std::vector<Block>;

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

class Step {
 public:
  Step(Ledger& ledger, const ModelSizes& sizes, const TrainingShape& shape)
      : ledger_(ledger),
        sizes_(sizes),
        shape_(shape),
        tokens_(shape.batch * shape.sequence),
        product_(shape.bfloat16 ? kHalf : kFloat) {}

  void run() {
    if (lora()) {
      run_adapters();
    } else {
      const auto batch = ledger_.take(2 * tokens_ * kIndex, MemoryKind::other);
      forward();
      backward();
    }
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

  /// In float32 after a norm, else as products are.
  Block rotate(int64_t width) {
    const auto size = sizes_.qk_norm || sizes_.whole_qk_norm ? kFloat : product_;
    const auto turned = width / sizes_.head_dim * sizes_.rotary_dim;
    auto products = ledger_.take(size * tokens_ * 2 * turned);
    const auto halves = ledger_.take(size * tokens_ * turned);
    products.release();
    return ledger_.take(size * tokens_ * width);
  }

  /// Queries or keys [batch * kv_heads, .., head_dim]; true when they stay a view of qkv.
  bool heads(int64_t width, bool rotated, bool copies, Blocks& saved) {
    Block now;
    if (sizes_.qk_norm) {
      if (shape_.bfloat16) {
        saved.push_back(rows(width));  // the norm widens its input and keeps that
      }
      now = norm(width, saved, shape_.bfloat16);
    }
    if (shape_.bfloat16 && (sizes_.qk_norm || sizes_.whole_qk_norm)) {
      const auto turned = rotated ? rotate(width) : std::move(now);
      saved.push_back(narrow(width));
      return false;
    }
    if (rotated) {
      saved.push_back(rotate(width));
    } else if (copies) {
      saved.push_back(narrow(width));
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
    auto qkv = narrow(query_size() + 2 * key_size());
    bool keep = heads(query_size(), rotated, batched || grouped, layer.attention);
    keep = heads(key_size(), rotated, batched, layer.attention) || keep;
    if (batched) {
      layer.attention.push_back(narrow(key_size()));
    } else {
      keep = true;
    }
    auto products = numbers(scores_size());
    auto scaled = numbers(scores_size());
    products.release();
    if (sizes_.capped_attention) {
      layer.probabilities.push_back(numbers(scores_size()));  // the tanh
      scaled = numbers(scores_size());
    }
    const auto mask = numbers(shape_.sequence * shape_.sequence);
    auto scores = numbers(scores_size());
    scaled.release();
    {
      const auto widened = shape_.bfloat16 ? floats(scores_size()) : Block();
      layer.probabilities.push_back(floats(scores_size()));
    }
    if (shape_.bfloat16) {
      layer.probabilities.push_back(numbers(scores_size()));
    }
    const auto mixed = narrow(query_size());
    layer.attention_output.push_back(narrow(query_size()));
    weights(query_size() * sizes_.hidden_size, layer.attention_output);
    adapters(1, layer.attention_output);
    if (keep) {
      layer.attention.push_back(std::move(qkv));
      return {};
    }
    return qkv;  // the layer's own until its end
  }

  /// What a product adds to the residual stream, and the sum; `saved` is for a norm between them.
  Block residual(Blocks& saved) {
    auto output = narrow(sizes_.hidden_size);
    if (!sizes_.norm_after) {
      const auto scaled = sizes_.scaled_residual ? narrow(sizes_.hidden_size) : Block();
      return rows(sizes_.hidden_size);
    }
    if (shape_.bfloat16) {
      saved.push_back(rows(sizes_.hidden_size));  // the norm widens its input and keeps that
    } else {
      saved.push_back(std::move(output));
    }
    const auto normed = norm(sizes_.hidden_size, saved, shape_.bfloat16);
    return rows(sizes_.hidden_size);
  }

  /// What a product makes of all query or key heads, normed together.
  Block whole_norm(int64_t width, Blocks& saved) {
    saved.push_back(shape_.bfloat16 ? rows(width) : narrow(width));  // the norm keeps its input, widened
    return norm(width, saved, shape_.bfloat16);
  }

  /// Keeps what goes into a part, unless all that reads it makes a copy of its own.
  void keep_input(Block x, Blocks& saved) {
    if (sizes_.norm_before || !shape_.bfloat16) {
      saved.push_back(std::move(x));
    } else {
      input_ = std::move(x);
    }
  }

  Block forward_layer(Block x, bool rotated) {
    auto& layer = layers_.emplace_back();
    keep_input(std::move(x), layer.attention_norm);
    if (sizes_.parallel_parts) {
      forward_mlp(layer);
      const auto qkv = forward_attention(layer, rotated);
      const auto sum = residual(layer.attention_after);
      return residual(layer.mlp_after);
    }
    const auto qkv = forward_attention(layer, rotated);
    keep_input(residual(layer.attention_after), layer.mlp_norm);
    forward_mlp(layer);
    auto sum = residual(layer.mlp_after);
    input_.release();
    return sum;
  }

  Block forward_attention(SavedLayer& layer, bool rotated) {
    const auto joined = query_size() + 2 * key_size();
    {
      const auto products = sizes_.joined_layers ? 1 : 3;
      const auto normed = norm_for(products, layer.attention_norm);
      weights(sizes_.hidden_size * joined, layer.attention_norm);
      if (lora() && shape_.bfloat16) {  // of the block's matrices, for the passes
        layer.attention_norm.push_back(numbers(shape_.lora_block_parameters));
      }
      adapters(products, layer.attention_norm);
      if (sizes_.whole_qk_norm) {
        const auto q = whole_norm(query_size(), layer.attention);
        const auto k = whole_norm(key_size(), layer.attention);
        const auto v = narrow(key_size());
        const auto qkv = rows(joined);  // counted again by whoever keeps it
      } else {
        const auto parts = narrow(joined);
        const auto qkv = narrow(joined);
      }
    }
    return attention(layer, rotated);
  }

  void forward_mlp(SavedLayer& layer) {
    const auto parts = sizes_.gated_mlp ? 2 : 1;
    const auto products = sizes_.joined_layers ? 1 : parts;
    const auto width = sizes_.intermediate_size;
    const auto normed = norm_for(products, layer.mlp_norm);
    weights(parts * sizes_.hidden_size * width, layer.mlp_norm);
    adapters(products, layer.mlp_norm);
    layer.mlp.push_back(narrow(width));
    if (sizes_.gated_mlp) {
      layer.mlp.push_back(narrow(width));
      layer.mlp.push_back(narrow(width));
    }
    adapted(width);
    layer.mlp_output.push_back(narrow(width));
    weights(sizes_.hidden_size * width, layer.mlp_output);
    adapters(1, layer.mlp_output);
  }

  Block embed() {
    auto x = rows(sizes_.hidden_size);
    if (sizes_.scaled_embedding && !lora()) {
      x = rows(sizes_.hidden_size);
    }
    if (sizes_.rotated_layers == 0) {
      const auto positions = floats(shape_.sequence * sizes_.hidden_size);
      x = rows(sizes_.hidden_size);
    }
    return x;
  }

  /// With adapters: the head takes some rows at a time, forward and backward; of a text that gets a class, one.
  void head_in_pieces() {
    const auto predicting = sizes_.num_classes > 0 ? shape_.batch : tokens_;
    const auto rows_together = std::min(kHeadRows, predicting);
    const auto logits = rows_together * sizes_.head_size();
    const auto states = floats(predicting * sizes_.hidden_size);
    const auto norm_parts = floats(3 * rows_together * sizes_.hidden_size);
    Block logarithms;
    {
      const auto product = shape_.bfloat16 ? numbers(logits) : Block();
      const auto widened = floats(logits);
      logarithms = floats(logits);
    }
    const auto outer = floats(logits);
    const auto inner = floats(logits);
    keep_gradient(sizes_.num_classes * sizes_.hidden_size);
  }

  /// A step beside frozen weights: the layers forward, the head, the layers backward; with checkpointing each layer
  /// forward a second time before it goes backward.
  void run_adapters() {
    const auto batch = ledger_.take(3 * tokens_ * kIndex);  // tokens, rows that predict, and what they predict
    std::vector<Block> inputs;
    auto x = embed();
    for (int64_t i = 0; i < sizes_.num_layers; ++i) {
      if (shape_.checkpointing) {
        inputs.push_back(std::move(x));
        x = forward_layer({}, i < sizes_.rotated_layers);
        layers_.clear();
      } else {
        x = forward_layer(std::move(x), i < sizes_.rotated_layers);
      }
    }
    auto gradient = floats((sizes_.num_classes > 0 ? shape_.batch : tokens_) * sizes_.hidden_size);
    head_in_pieces();
    auto spread = rows(sizes_.hidden_size);
    if (!shape_.checkpointing) {
      while (!layers_.empty()) {
        backward_layer(layers_.back());
        layers_.pop_back();
      }
      return;
    }
    gradient.release();
    x.release();
    for (auto i = sizes_.num_layers - 1; i >= 0; --i) {
      const auto output = forward_layer({}, i < sizes_.rotated_layers);
      backward_layer(layers_.back());
      layers_.pop_back();
      inputs.pop_back();
    }
  }

  void forward() {
    auto x = embed();
    for (int64_t i = 0; i < sizes_.num_layers; ++i) {
      x = forward_layer(std::move(x), i < sizes_.rotated_layers);
    }
    head_.push_back(std::move(x));
    const auto normed = norm_for(1, head_);
    weights(sizes_.vocab_size * sizes_.hidden_size, head_);
    auto logits = narrow(sizes_.vocab_size);
    if (sizes_.divided_logits) {
      logits = narrow(sizes_.vocab_size);
    }
    if (sizes_.capped_logits) {
      const auto shares = narrow(sizes_.vocab_size);
      capped_ = narrow(sizes_.vocab_size);
      logits = narrow(sizes_.vocab_size);
    }
    const auto widened = shape_.bfloat16 ? rows(sizes_.vocab_size) : Block();
    loss_ = rows(sizes_.vocab_size);  // the logarithms of the softmax, in float32 always
  }

  void keep_gradient(int64_t count) { gradients_.push_back(ledger_.take(kFloat * count, MemoryKind::gradients)); }

  /// Among the temporaries until the product is through, then kept.
  Block weight_gradient(int64_t count) { return lora() ? Block() : floats(count); }

  void norm_backward() { const auto parts = rows(4 * sizes_.hidden_size); }

  void backward() {
    Block pending;  // a tied table's gradient waits for its other half among the temporaries
    Block gradient;
    {
      auto outer = rows(sizes_.vocab_size);
      auto inner = rows(sizes_.vocab_size);
      loss_.release();
      outer.release();
      if (shape_.bfloat16) {
        inner = narrow(sizes_.vocab_size);
      }
      if (sizes_.divided_logits) {
        inner = narrow(sizes_.vocab_size);
      }
      if (sizes_.capped_logits) {
        inner = narrow(sizes_.vocab_size);
        inner = narrow(sizes_.vocab_size);
        capped_.release();
        inner = narrow(sizes_.vocab_size);
      }
      const auto product = shape_.bfloat16 ? numbers(sizes_.vocab_size * sizes_.hidden_size) : Block();
      pending = floats(sizes_.vocab_size * sizes_.hidden_size);
      gradient = rows(sizes_.hidden_size);
    }
    if (!sizes_.tied) {
      pending.release();
      keep_gradient(sizes_.vocab_size * sizes_.hidden_size);
    }
    norm_backward();
    head_.clear();
    while (!layers_.empty()) {
      backward_layer(layers_.back());
      layers_.pop_back();
    }
    const auto blocks = sizes_.num_layers * shape_.block_parameters;
    const auto head = sizes_.tied ? 0 : sizes_.vocab_size * sizes_.hidden_size;
    if (sizes_.tied) {
      const auto second = floats(sizes_.vocab_size * sizes_.hidden_size);
      pending.release();
    }
    keep_gradient(shape_.parameters - blocks - head);
  }

  /// The gradient of what goes into a norm after a product.
  Block backward_after(Blocks& saved) {
    if (!sizes_.norm_after) {
      return {};
    }
    norm_backward();
    saved.clear();
    return rows(sizes_.hidden_size);
  }

  void backward_layer(SavedLayer& layer) {
    auto inner = backward_output(layer);
    if (!sizes_.parallel_parts) {
      backward_mlp(layer, std::move(inner));
    }
    backward_attention(layer);
    if (sizes_.parallel_parts) {  // it was computed first
      const auto first = rows(sizes_.hidden_size);
      backward_mlp(layer, std::move(inner));
    }
    keep_gradient(lora() ? shape_.lora_block_parameters : shape_.block_parameters);
  }

  /// The gradient of what goes into the feed-forward part's last product.
  Block backward_output(SavedLayer& layer) {
    const auto outer = backward_after(layer.mlp_after);
    const auto weight = weight_gradient(sizes_.hidden_size * sizes_.intermediate_size);
    auto inner = narrow(sizes_.intermediate_size);
    layer.mlp_output.clear();
    return inner;
  }

  void backward_mlp(SavedLayer& layer, Block inner) {
    const auto width = sizes_.intermediate_size;
    const auto matrix = sizes_.hidden_size * width;
    if (sizes_.gated_mlp) {
      auto gate = narrow(width);
      auto up = narrow(width);
      inner.release();
      auto weight = weight_gradient(matrix);
      const auto first = rows(sizes_.hidden_size);
      weight.release();
      up.release();
      const auto active = narrow(width);
      gate.release();
      weight = weight_gradient(matrix);
      const auto second = rows(sizes_.hidden_size);
    } else {
      const auto active = narrow(width);
      inner.release();
      const auto weight = weight_gradient(matrix);
      const auto first = rows(sizes_.hidden_size);
    }
    layer.mlp.clear();
    if (sizes_.norm_before) {
      norm_backward();
    }
    layer.mlp_norm.clear();
  }

  void backward_attention(SavedLayer& layer) {
    {
      auto outer = backward_after(layer.attention_after);
      const auto output = narrow(query_size());
      outer.release();
      layer.attention_output.clear();
      auto probabilities = numbers(scores_size());
      const auto values = narrow(key_size());
      if (shape_.bfloat16) {
        layer.probabilities.pop_back();  // the product's own copy
        probabilities = floats(scores_size());
      }
      auto scores = floats(scores_size());
      probabilities.release();
      layer.probabilities.clear();
      const auto scaled = numbers(scores_size());
      scores.release();
      const auto queries = narrow(query_size() + key_size());
    }
    {
      const auto rotated = narrow(3 * query_size());
      if (sizes_.qk_norm || sizes_.whole_qk_norm) {
        const auto parts = rows(4 * query_size());
      }
      layer.attention.clear();
    }
    if (sizes_.norm_before) {
      norm_backward();
    }
    layer.attention_norm.clear();
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
  int64_t product_;  // bytes of a number in a product
  std::vector<SavedLayer> layers_;
  Blocks head_;
  Block input_;   // of a part that keeps copies alone
  Block capped_;  // the tanh of the logits
  Block loss_;
  Blocks gradients_;
};

}  // namespace

TrainingMemory training_memory(const ModelSizes& sizes, const TrainingShape& shape) {
  const bool lora = shape.lora_rank > 0;
  const int64_t trained = lora ? shape.lora_parameters : shape.parameters;
  const auto parts = lora ? part_count(shape.batch * shape.sequence, shape.batch) : 1;
  TrainingShape part = shape;
  part.batch = (shape.batch + parts - 1) / parts;
  Ledger ledger;
  {
    const auto moments = ledger.take(2 * kFloat * trained, MemoryKind::optimizer);
    const auto tables = ledger.take(
        sizes.rotations * std::max<int64_t>(256, shape.sequence) * sizes.rotary_dim * kFloat, MemoryKind::other);
    Step(ledger, sizes, part).run();
  }
  const auto beside = (std::clamp<int64_t>(shape.threads, 1, parts) - 1) * ledger.peak(MemoryKind::activations);
  TrainingMemory memory;
  memory.activations = ledger.peak(MemoryKind::activations) + beside;
  memory.gradients = ledger.peak(MemoryKind::gradients);
  memory.optimizer = ledger.peak(MemoryKind::optimizer);
  // Drawing the first weights needs one parameter twice (on webgl the CPU draws, and a transposed one is copied there).
  // Saving needs a copy of one that is not contiguous.
  const int64_t copied = lora ? 0 : kFloat * shape.largest_transposed;
  const int64_t drawn = lora || shape.webgl ? copied : kFloat * shape.largest_parameter;
  memory.other = std::max({ledger.peak(MemoryKind::other), drawn, copied});
  memory.together = std::max(ledger.peak() + beside, memory.optimizer + copied);
  return memory;
}

}  // namespace dstorch::models
