#include <algorithm>

#include "models/training_layers.h"
#include "models/training_parts.h"

namespace dstorch::models {
namespace {

/// A whole step: embedding, head and update, around the layers.
class Step : private TrainingLayers {
 public:
  using TrainingLayers::TrainingLayers;

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

  /// AdamW's square root and quotient of one parameter at a time.
  void update() {
    const auto largest =
        lora() ? shape_.lora_rank * std::max(sizes_.hidden_size, sizes_.intermediate_size) : shape_.largest_parameter;
    const auto temporaries = floats(2 * largest);
  }

  Blocks head_;
  Block capped_;  // the tanh of the logits
  Block loss_;
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
