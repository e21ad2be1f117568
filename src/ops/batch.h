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

/// How many elements a page of `type` has for one head of one position: head_dim, and in q8 also the bytes of the
/// scale.
int64_t page_row(at::ScalarType type, int64_t head_dim);

/// The pages of keys and values of a group of layers. A page holds kPagePositions positions of one sequence, for all
/// layers of the group.
struct PageGroup {
  std::vector<at::Tensor> pages;  // by page id, [layers, 2 (keys, values), kv_heads, kPagePositions, page_row]
  std::vector<void*> addresses;   // by page id: the page's first byte, for pages on the CPU
};

/// Where a layer keeps its keys and values: in the pages of which group, and at which index of a page's first
/// dimension.
struct LayerSlot {
  std::size_t group = 0;
  int64_t index = 0;
};

/// The rows of one sequence in a batch.
struct Span {
  int64_t first = 0;     ///< row of the batch
  int64_t count = 0;     ///< rows
  int64_t position = 0;  ///< of the first row in its sequence
  /// By group: the page ids of positions 0 to 63, 64 to 127, ... up to the span's last; -1 where a window has passed.
  /// Empty: the span is a whole sequence from position 0, and its keys and values are not kept.
  std::vector<std::span<const int32_t>> pages{};
  /// The index in Batch::adapters of the adapter that its rows go through; -1 is none.
  int32_t adapter = -1;
};

/// What goes through a model in one pass: rows of any number of sequences, one sequence after the other. A row's result
/// depends on its own sequence alone, to the bit. The batch refers to pages and adapters and owns neither.
struct Batch {
  at::Tensor tokens;  // int64 [rows], on the model's device
  std::vector<Span> spans;
  /// The page groups of the model's pool; null where no span has pages.
  const std::vector<PageGroup>* groups = nullptr;
  /// The adapters that spans refer to by index. They must live as long as the pass.
  std::vector<const nn::Adapter*> adapters{};
  /// For training: the seed that decides which inputs the adapters' dropout leaves out. Unset: no dropout.
  std::optional<uint64_t> dropout_seed{};
  /// Called between layers: returns true when nobody wants the result any more, and the pass then stops. May be empty.
  std::function<bool()> abandoned;

  /// Each row's position in its sequence: int64 [rows], on the tokens' device.
  [[nodiscard]] at::Tensor positions() const;
  /// A batch of `count` rows that go through `adapter`, or none (null), for Pass and the head alone.
  static Batch of_rows(int64_t count, const nn::Adapter* adapter);
  /// A batch of whole sequences without pages, as in training: tokens int64 [sequences, length].
  static Batch of_sequences(const at::Tensor& tokens);
  /// The length of the sequences when all spans are whole sequences of the same length; 0 otherwise.
  [[nodiscard]] int64_t common_length() const;
};

}  // namespace dstorch::ops
