// What a pass of the engine allocates, block by block: keep it beside engine/engine.cpp and the ops it calls.

#include <algorithm>
#include <utility>

#include "models/ledger.h"
#include "models/pass_memory.h"

namespace dstorch::models {
namespace {

constexpr int64_t kPage = ops::kPagePositions;

/// One pass over `rows` rows, of which the last sees all positions.
class Pass {
 public:
  Pass(Ledger& ledger, const ModelSizes& sizes, const PassShape& shape)
      : ledger_(ledger),
        sizes_(sizes),
        shape_(shape),
        rows_(shape.rows),
        keys_(shape.positions),
        element_(shape.weight_size == 8 ? 8 : kFloat) {}

  /// The states [rows, hidden] it ends with.
  Ledger::Block run() {
    const auto tokens = ledger_.take(rows_ * kIndex);
    auto x = embed();
    for (int layer = 0; layer < 2; ++layer) {  // the second is like all that follow
      if (shape_.fused) {
        fused_layer();
      } else {
        x = composed_layer(std::move(x), layer < sizes_.rotated_layers);
      }
    }
    return x;
  }

  /// [sequences, vocab], or one logit a class
  Ledger::Block logits() {
    const auto sequences = shape_.sequences;
    const auto last = sequences > 1 ? ledger_.take(element_ * sequences * sizes_.hidden_size) : Ledger::Block();
    if (shape_.fused) {
      return ledger_.take(kFloat * sequences * sizes_.head_size());
    }
    const auto normed = norm(sequences, sizes_.hidden_size);
    return linear(sequences, sizes_.hidden_size, sizes_.head_size());
  }

 private:
  [[nodiscard]] int64_t query_size() const { return sizes_.num_heads * sizes_.head_dim; }
  [[nodiscard]] int64_t key_size() const { return sizes_.num_kv_heads * sizes_.head_dim; }

  Ledger::Block rows_of_table() {
    auto rows = ledger_.take(rows_ * sizes_.hidden_size * shape_.weight_size);
    if (shape_.weight_size == element_) {
      return rows;
    }
    return ledger_.take(rows_ * sizes_.hidden_size * element_);
  }

  Ledger::Block embed() {
    auto tokens = rows_of_table();
    if (sizes_.rotated_layers > 0) {
      return tokens;
    }
    const auto positions = ledger_.take(rows_ * kIndex);
    const auto table = rows_of_table();
    return ledger_.take(rows_ * sizes_.hidden_size * element_);
  }

  /// x is written in place.
  void fused_layer() {
    const auto joined = kFloat * rows_ * (query_size() + 2 * key_size());
    const auto width = kFloat * rows_ * sizes_.intermediate_size;
    auto early = ledger_.take(sizes_.parallel_parts ? width : 0);
    {
      auto parts = ledger_.take(sizes_.whole_qk_norm || sizes_.interleaved_qkv ? joined : 0);
      const auto qkv = ledger_.take(joined);
      parts.release();
      const auto mixed = ledger_.take(kFloat * rows_ * query_size());
      fused_norm_after();
    }
    early.release();
    const auto inner = ledger_.take(width);
    fused_norm_after();
  }

  /// The product and its norm, which is then added in place.
  void fused_norm_after() {
    const auto hidden = kFloat * rows_ * sizes_.hidden_size;
    const auto product = ledger_.take(sizes_.norm_after || sizes_.scaled_residual ? hidden : 0);
    const auto normed = ledger_.take(sizes_.norm_after ? hidden : 0);
  }

  Ledger::Block norm(int64_t rows, int64_t width) {
    if (shape_.stepwise_norms && !sizes_.rms_norm) {
      return layer_norm_on_webgl(rows * width);
    }
    const bool wide = element_ != kFloat;
    auto narrow = wide ? ledger_.take(kFloat * rows * width) : Ledger::Block();
    if (sizes_.rms_norm) {
      ledger_.take(kFloat * rows * width).release();  // the squares
      auto normed = ledger_.take(kFloat * rows * width);
      narrow.release();
      const auto widened = wide ? ledger_.take(element_ * rows * width) : Ledger::Block();
      return ledger_.take(element_ * rows * width);
    }
    auto normed = ledger_.take(kFloat * rows * width);
    return wide ? ledger_.take(element_ * rows * width) : std::move(normed);
  }

  /// Of several shaders: centred, and scaled in place when the squares are known.
  Ledger::Block layer_norm_on_webgl(int64_t count) {
    auto centred = ledger_.take(kFloat * count);
    const auto squares = ledger_.take(kFloat * count);
    return centred;
  }

  Ledger::Block linear(int64_t rows, int64_t in, int64_t out) {
    const auto converted = shape_.weight_size != element_ ? ledger_.take(element_ * in * out) : Ledger::Block();
    return ledger_.take(element_ * rows * out);
  }

  Ledger::Block rotate(int64_t width) {
    const auto angles = element_ != kFloat ? ledger_.take(element_ * rows_ * sizes_.rotary_dim) : Ledger::Block();
    const auto turned = width / sizes_.head_dim * sizes_.rotary_dim;
    auto products = ledger_.take(element_ * rows_ * turned * 2);  // four halves
    const auto halves = ledger_.take(element_ * rows_ * turned);
    products.release();
    return ledger_.take(element_ * rows_ * width);
  }

  /// Queries or keys, ready for the product; nothing where they are a view of qkv.
  Ledger::Block heads(int64_t width, bool rotated) {
    auto normed = sizes_.qk_norm ? norm(rows_ * width / sizes_.head_dim, sizes_.head_dim) : Ledger::Block();
    return rotated ? rotate(width) : std::move(normed);
  }

  Ledger::Block attention(bool rotated) {
    const auto q = heads(query_size(), rotated);
    const auto k = heads(key_size(), rotated);
    // Pages are laid side by side where there is more than one.
    const auto paged = keys_ > kPage ? 2 * shape_.kv_size * keys_ * key_size() : 0;
    const auto gathered = ledger_.take(paged);
    if (shape_.attention_shader) {
      const auto queries = rotated ? Ledger::Block() : ledger_.take(element_ * rows_ * query_size());
      return ledger_.take(element_ * rows_ * query_size());
    }
    const bool convert = shape_.kv_size != element_;
    const auto keys = convert ? ledger_.take(element_ * keys_ * key_size()) : Ledger::Block();
    const auto values = convert ? ledger_.take(element_ * keys_ * key_size()) : Ledger::Block();
    const bool grouped = sizes_.num_heads != sizes_.num_kv_heads && !rotated;
    const auto copied = grouped ? ledger_.take(element_ * rows_ * query_size()) : Ledger::Block();
    const int64_t scores_size = sizes_.num_heads * rows_ * keys_;
    auto products = ledger_.take(element_ * scores_size);
    auto scaled = ledger_.take(element_ * scores_size);
    products.release();
    const auto mask = ledger_.take(element_ * rows_ * keys_);
    const auto scores = ledger_.take(element_ * scores_size);
    scaled.release();
    Ledger::Block probabilities;
    {
      const bool wide = element_ != kFloat;
      auto narrow = wide ? ledger_.take(kFloat * scores_size) : Ledger::Block();
      auto softmax = ledger_.take(kFloat * scores_size);
      narrow.release();
      probabilities = wide ? ledger_.take(element_ * scores_size) : std::move(softmax);
    }
    const auto mixed = ledger_.take(element_ * rows_ * query_size());
    return ledger_.take(element_ * rows_ * query_size());
  }

  Ledger::Block residual(Ledger::Block x, int64_t in) {
    const auto output = linear(rows_, in, sizes_.hidden_size);
    if (sizes_.norm_after) {
      const auto normed = norm(rows_, sizes_.hidden_size);
      return x;  // written in place
    }
    if (sizes_.scaled_residual) {
      return x;
    }
    auto sum = ledger_.take(element_ * rows_ * sizes_.hidden_size);
    x.release();
    return sum;
  }

  Ledger::Block norm_before() { return sizes_.norm_before ? norm(rows_, sizes_.hidden_size) : Ledger::Block(); }

  /// Queries or keys of all heads, normed together where the model does so.
  Ledger::Block whole_norm(Ledger::Block product, int64_t width) {
    return sizes_.whole_qk_norm ? norm(rows_, width) : std::move(product);
  }

  Ledger::Block composed_layer(Ledger::Block x, bool rotated) {
    if (sizes_.parallel_parts) {
      const auto inner = composed_inner();
      x = composed_attention(std::move(x), rotated);
      return residual(std::move(x), sizes_.intermediate_size);
    }
    x = composed_attention(std::move(x), rotated);
    const auto inner = composed_inner();
    return residual(std::move(x), sizes_.intermediate_size);
  }

  Ledger::Block composed_attention(Ledger::Block x, bool rotated) {
    const auto hidden = sizes_.hidden_size;
    Ledger::Block qkv;
    {
      const auto normed = norm_before();
      const auto q = whole_norm(linear(rows_, hidden, query_size()), query_size());
      const auto k = whole_norm(linear(rows_, hidden, key_size()), key_size());
      const auto v = linear(rows_, hidden, key_size());
      qkv = ledger_.take(element_ * rows_ * (query_size() + 2 * key_size()));
    }
    const auto mixed = attention(rotated);
    return residual(std::move(x), query_size());
  }

  Ledger::Block composed_inner() {
    const auto hidden = sizes_.hidden_size;
    const auto normed = norm_before();
    auto gate = linear(rows_, hidden, sizes_.intermediate_size);
    auto active = ledger_.take(element_ * rows_ * sizes_.intermediate_size);
    gate.release();
    if (!sizes_.gated_mlp) {
      return active;
    }
    const auto up = linear(rows_, hidden, sizes_.intermediate_size);
    return ledger_.take(element_ * rows_ * sizes_.intermediate_size);
  }

  Ledger& ledger_;
  const ModelSizes& sizes_;
  const PassShape& shape_;
  int64_t rows_;
  int64_t keys_;
  int64_t element_;
};

}  // namespace

int64_t pass_memory(const ModelSizes& sizes, const PassShape& shape) {
  Ledger ledger;
  Pass pass(ledger, sizes, shape);
  const auto hidden = pass.run();
  const auto logits = pass.logits();
  return ledger.peak();
}

TableMemory table_memory(const ModelSizes& sizes, int64_t positions) {
  TableMemory memory;
  if (sizes.rotations == 0) {
    return memory;
  }
  // They double from 256 rows on (nn/rope.cpp).
  int64_t rows = 256;
  int64_t before = 0;
  while (rows < positions) {
    before = rows;
    rows *= 2;
  }
  const int64_t row = sizes.rotary_dim * kFloat;
  memory.kept = sizes.rotations * rows * row;
  memory.peak = memory.kept + before * row;  // one grows after the other
  return memory;
}

}  // namespace dstorch::models
