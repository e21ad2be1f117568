#include "models/pass_memory.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "device/dry_run.h"
#include "nn/kv_pool.h"
#include "ops/weight.h"

namespace dstorch::models {
namespace {

/// Pages for a dry run: one page per group, to which all page ids refer.
class AnyPage {
 public:
  AnyPage(const nn::KvLayout& layout, at::ScalarType dtype, int64_t positions)
      : pool_(layout, at::TensorOptions(dtype).device(at::kMeta), 0) {
    const auto count = (positions + ops::kPagePositions - 1) / ops::kPagePositions;
    for (std::size_t group = 0; group < layout.groups.size(); ++group) {
      pages_.push_back(pool_.take(group));
      ids_.emplace_back(static_cast<std::size_t>(count), pages_.back().id());
    }
  }
  [[nodiscard]] const std::vector<ops::PageGroup>& groups() const { return pool_.groups(); }
  [[nodiscard]] std::vector<std::span<const int32_t>> ids() const { return {ids_.begin(), ids_.end()}; }

 private:
  nn::KvPool pool_;
  std::vector<nn::PageRef> pages_;
  std::vector<std::vector<int32_t>> ids_;  // by group
};

/// A batch of the shape's sequences: each has one row at its end, and the first ones have the remaining rows before
/// theirs.
ops::Batch batch_of(const PassShape& shape, const AnyPage& pages) {
  ops::Batch batch;
  batch.tokens = at::empty({shape.rows}, at::TensorOptions(at::kLong).device(at::kMeta));
  batch.groups = &pages.groups();
  if (shape.adapter != nullptr) {
    batch.adapters.push_back(shape.adapter);
  }
  int64_t first = 0;
  for (auto left = std::min(shape.sequences, shape.rows); left > 0; --left) {
    const auto free = shape.rows - first - (left - 1);
    const auto count = left == 1 ? free : std::min(free, shape.positions);
    batch.spans.push_back({.first = first,
                           .count = count,
                           .position = std::max<int64_t>(shape.positions - count, 0),
                           .pages = pages.ids(),
                           .adapter = shape.adapter == nullptr ? -1 : 0});
    first += count;
  }
  return batch;
}

}  // namespace

int64_t pass_memory(LanguageModel& model, const PassShape& shape) {
  const at::NoGradGuard no_grad;
  const AnyPage pages(model.kv_layout(), shape.kv_dtype, std::max(shape.rows, shape.positions));
  const auto account = std::make_shared<MemoryAccount>();
  {
    const DryRun run(account, shape.device);
    const MemoryScope scope(MemoryKind::activations);
    const auto hidden = model.hidden(batch_of(shape, pages));
    // The engine passes the last row of a single sequence on without a copy, and gathers those of several.
    const auto asked = at::TensorOptions(at::kLong).device(at::kMeta);
    const auto rows = shape.sequences == 1 ? hidden.narrow(0, shape.rows - 1, 1)
                                           : ops::rows_at(hidden, at::empty({shape.sequences}, asked));
    const auto logits =
        model.logits_of(rows, ops::Batch::of_rows(shape.sequences, shape.adapter)).to(at::kFloat);  // [asked, vocab]
  }
  return account->use({})[MemoryKind::activations].peak;
}

}  // namespace dstorch::models
