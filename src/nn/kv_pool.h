#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "ops/batch.h"

namespace dstorch::nn {

/// The keys and values that a model keeps: its layers, in groups of layers that see equally far back.
struct KvLayout {
  struct Group {
    int64_t layers = 0;
    /// How many positions back its layers see; 0 is all.
    int64_t window = 0;
  };
  std::vector<Group> groups;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;

  /// Adds a layer that sees `window` positions back (0: all) and returns where its keys and values are kept.
  ops::LayerSlot add_layer(int64_t window);
  /// The shape of a page of `group` in `type`: [layers, 2 (keys, values), kv_heads, 64, page_row].
  [[nodiscard]] std::vector<int64_t> page_shape(std::size_t group, at::ScalarType type) const;
  [[nodiscard]] int64_t page_bytes(std::size_t group, at::ScalarType type) const;
  /// The most bytes of pages of `type` that a sequence of `positions` holds at once when it goes through the model in
  /// pieces of at most `piece` positions.
  [[nodiscard]] int64_t sequence_bytes(int64_t positions, int64_t piece, at::ScalarType type) const;
  /// The same for one group, in pages.
  [[nodiscard]] int64_t sequence_pages(std::size_t group, int64_t positions, int64_t piece) const;
  /// The shape of `group`'s part of what `SequencePages::contents` returns.
  [[nodiscard]] std::vector<int64_t> pages_shape(std::size_t group, int64_t positions, at::ScalarType type) const;
  /// The number of the first page of a sequence that `group` still sees from `position` on.
  [[nodiscard]] std::size_t first_page_seen(std::size_t group, int64_t position) const;
};

class KvPool;

/// A shared reference to a page. The last copy gives the page back to the pool, which must outlive it.
class PageRef {
 public:
  PageRef() = default;
  PageRef(const PageRef& other) noexcept;
  PageRef(PageRef&& other) noexcept;
  PageRef& operator=(PageRef other) noexcept;
  ~PageRef();

  [[nodiscard]] explicit operator bool() const noexcept { return pool_ != nullptr; }
  /// The page's id; -1 for an empty reference.
  [[nodiscard]] int32_t id() const noexcept { return id_; }

 private:
  friend class KvPool;
  PageRef(KvPool* pool, std::size_t group, int32_t id) noexcept : pool_(pool), group_(group), id_(id) {}

  KvPool* pool_ = nullptr;
  std::size_t group_ = 0;
  int32_t id_ = -1;
};

/// The keys and values of all sequences of a model, in pages of 64 positions (Kwon et al. 2023, "PagedAttention").
/// Pages are made as they are asked for, and given back to the system when they are free, but for a few. One thread.
class KvPool {
 public:
  /// Makes pages of the type (floating-point, or ops::kQ8Pages) and device of `options`. `kept_bytes`: how much of free
  /// pages is kept for the next use.
  KvPool(KvLayout layout, at::TensorOptions options, int64_t kept_bytes);
  KvPool(const KvPool&) = delete;
  KvPool& operator=(const KvPool&) = delete;
  ~KvPool();

  [[nodiscard]] PageRef take(std::size_t group);
  /// Takes a page and fills it with `content`, which has the page's shape.
  [[nodiscard]] PageRef take(std::size_t group, const at::Tensor& content);
  /// Takes a page and copies `page` into it.
  [[nodiscard]] PageRef copy(const PageRef& page);
  [[nodiscard]] const KvLayout& layout() const noexcept { return layout_; }
  [[nodiscard]] const std::vector<ops::PageGroup>& groups() const noexcept { return groups_; }
  [[nodiscard]] at::ScalarType type() const;
  /// Bytes of a page of `group`.
  [[nodiscard]] int64_t page_bytes(std::size_t group) const;
  /// How many references to `page` there are.
  [[nodiscard]] int64_t references(const PageRef& page) const;
  /// How many pages are held, over all groups.
  [[nodiscard]] int64_t pages_in_use() const noexcept { return in_use_; }
  /// Bytes of the pages that are held.
  [[nodiscard]] int64_t bytes_in_use() const noexcept { return bytes_ - free_bytes_; }
  /// Bytes of all pages, free ones included.
  [[nodiscard]] int64_t bytes() const noexcept { return bytes_; }
  /// Gives every free page back to the system.
  void trim();

 private:
  friend class PageRef;
  void retain(std::size_t group, int32_t id) noexcept;
  void release(std::size_t group, int32_t id) noexcept;

  KvLayout layout_;
  at::TensorOptions options_;
  int64_t kept_bytes_;
  std::vector<ops::PageGroup> groups_;
  std::vector<std::vector<int64_t>> counts_;  // references by group and id
  std::vector<std::vector<int32_t>> free_;    // ids of pages that are allocated and not in use, by group
  std::vector<std::vector<int32_t>> vacant_;  // ids without memory, by group
  int64_t free_bytes_ = 0;
  int64_t bytes_ = 0;
  int64_t in_use_ = 0;
};

/// The pages of one sequence. One thread.
class SequencePages {
 public:
  explicit SequencePages(KvPool& pool);

  /// Takes over pages that are filled already, by group from position 0 on; an empty reference where no later position
  /// sees the page. Must be the first call.
  void adopt(std::vector<std::vector<PageRef>> pages);
  /// Gives back pages that no position from `position` on can see.
  void leave(int64_t position);
  /// Bytes of pages that `prepare` will take for positions up to `end`.
  [[nodiscard]] int64_t bytes_to_take(int64_t end) const;
  /// Takes pages for positions up to `end`, and gives back those that no position from `position` on can see.
  void prepare(int64_t position, int64_t end);
  /// The page of the positions from 64 * index on; empty where the window has passed it or it was not taken yet.
  [[nodiscard]] PageRef page(std::size_t group, std::size_t index) const;
  /// Copies, by group, the pages of the first `positions` positions to the CPU, without pages that no later position
  /// sees; the rest of the last page is zero. Each [pages, layers, 2, kv_heads, 64, page_row].
  [[nodiscard]] std::vector<at::Tensor> contents(int64_t positions) const;
  /// Page ids by group, for ops::Span::pages; valid until the next `prepare`.
  [[nodiscard]] std::vector<std::span<const int32_t>> ids() const;
  [[nodiscard]] int64_t count() const noexcept;

 private:
  struct Group {
    std::vector<PageRef> pages;  // by position / 64; empty where the window has passed
    std::vector<int32_t> ids;    // of these
    std::size_t passed = 0;      // pages before this one are gone
  };
  KvPool* pool_;
  std::vector<Group> groups_;
};

}  // namespace dstorch::nn
