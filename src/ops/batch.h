#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "ops/cpu/types.h"

namespace dstorch::nn {
class Adapter;
}

namespace dstorch::ops {

using cpu::kPagePositions;

/// How pages of 8-bit numbers with a scale for each head of a position are marked ("q8").
inline constexpr auto kQ8Pages = at::kChar;

/// Elements of what a page of `type` keeps of a position, for one head: head_dim, and in q8 the bytes of its scale.
int64_t page_row(at::ScalarType type, int64_t head_dim);

/// The memory of keys and values of some layers, by page: a page holds kPagePositions positions of one sequence in all
/// of these layers.
struct PageGroup {
  std::vector<at::Tensor> pages;  // by page id, [layers, 2 (keys, values), kv_heads, kPagePositions, page_row]
  std::vector<void*> addresses;   // by page id: where it begins, on the CPU
};

/// Where a layer's keys and values are: in which group's pages, and at which place of a page.
struct LayerSlot {
  std::size_t group = 0;
  int64_t index = 0;
};

/// The rows of one sequence in a batch.
struct Span {
  int64_t first = 0;     ///< row of the batch
  int64_t count = 0;     ///< rows
  int64_t position = 0;  ///< of the first of them in its sequence
  /// By group: the page ids of positions 0 to 63, 64 to 127, ... up to the span's last; -1 where a window has passed.
  /// No groups: the span is a whole sequence, from position 0, and nothing is kept of it.
  std::vector<std::span<const int32_t>> pages{};
  /// Which of the batch's adapters its rows go through; -1 is none.
  int32_t adapter = -1;
};

/// What goes through a model in one pass: rows of any number of sequences, one after the other. A row's result depends
/// on its own sequence alone, to the bit.
struct Batch {
  at::Tensor tokens;  // int64 [rows], on the model's device
  std::vector<Span> spans;
  /// Of the model's pool; null where no span has pages.
  const std::vector<PageGroup>* groups = nullptr;
  /// What spans name by their place. They live as long as the pass.
  std::vector<const nn::Adapter*> adapters{};
  /// Training: decides what the dropout of adapters leaves out. Unset: nothing.
  std::optional<uint64_t> dropout_seed{};
  /// Asked between layers: true when nobody wants the result any more. May be empty.
  std::function<bool()> abandoned;

  /// Of each row in its sequence: int64 [rows], where the tokens are.
  [[nodiscard]] at::Tensor positions() const;
  /// `count` rows with one adapter, or with none (null).
  static Batch of_rows(int64_t count, const nn::Adapter* adapter);
  /// Whole sequences without pages, tokens int64 [sequences, length]: how models are trained.
  static Batch of_sequences(const at::Tensor& tokens);
  /// Their common length when all spans are whole sequences of one length; 0 otherwise.
  [[nodiscard]] int64_t common_length() const;
};

}  // namespace dstorch::ops
