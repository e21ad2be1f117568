#include "nn/kv_pool.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

#include "core/throw.h"
#include "device/memory_account.h"

namespace dstorch::nn {

using ops::kPagePositions;

ops::LayerSlot KvLayout::add_layer(int64_t window) {
  for (std::size_t i = 0; i < groups.size(); ++i) {
    if (groups[i].window == window) {
      return {i, groups[i].layers++};
    }
  }
  groups.push_back({1, window});
  return {groups.size() - 1, 0};
}

std::vector<int64_t> KvLayout::page_shape(std::size_t group, at::ScalarType type) const {
  return {groups.at(group).layers, 2, kv_heads, kPagePositions, ops::page_row(type, head_dim)};
}

int64_t KvLayout::page_bytes(std::size_t group, at::ScalarType type) const {
  return c10::multiply_integers(page_shape(group, type)) * static_cast<int64_t>(c10::elementSize(type));
}

int64_t KvLayout::sequence_pages(std::size_t group, int64_t positions, int64_t piece) const {
  const auto whole = (positions + kPagePositions - 1) / kPagePositions;
  const auto window = groups.at(group).window;
  if (window == 0) {
    return whole;
  }
  // A piece and the window before it may begin and end anywhere in a page.
  return std::min(whole, (window + std::min(piece, positions) - 2) / kPagePositions + 2);
}

std::size_t KvLayout::first_page_seen(std::size_t group, int64_t position) const {
  const auto window = groups.at(group).window;
  const auto seen = window > 0 ? std::max<int64_t>(position - window + 1, 0) : 0;
  return static_cast<std::size_t>(seen / kPagePositions);
}

std::vector<int64_t> KvLayout::pages_shape(std::size_t group, int64_t positions, at::ScalarType type) const {
  const auto end = (positions + kPagePositions - 1) / kPagePositions;
  auto shape = page_shape(group, type);
  shape.insert(shape.begin(), end - static_cast<int64_t>(first_page_seen(group, positions - 1)));
  return shape;
}

int64_t KvLayout::sequence_bytes(int64_t positions, int64_t piece, at::ScalarType type) const {
  int64_t bytes = 0;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    bytes += sequence_pages(i, positions, piece) * page_bytes(i, type);
  }
  return bytes;
}

PageRef::PageRef(const PageRef& other) noexcept : pool_(other.pool_), group_(other.group_), id_(other.id_) {
  if (pool_ != nullptr) {
    pool_->retain(group_, id_);
  }
}

PageRef::PageRef(PageRef&& other) noexcept
    : pool_(std::exchange(other.pool_, nullptr)), group_(other.group_), id_(std::exchange(other.id_, -1)) {}

PageRef& PageRef::operator=(PageRef other) noexcept {
  std::swap(pool_, other.pool_);
  std::swap(group_, other.group_);
  std::swap(id_, other.id_);
  return *this;
}

PageRef::~PageRef() {
  if (pool_ != nullptr) {
    pool_->release(group_, id_);
  }
}

KvPool::KvPool(KvLayout layout, at::TensorOptions options, int64_t kept_bytes)
    : layout_(std::move(layout)),
      options_(options),
      kept_bytes_(kept_bytes),
      groups_(layout_.groups.size()),
      counts_(layout_.groups.size()),
      free_(layout_.groups.size()),
      vacant_(layout_.groups.size()) {}

KvPool::~KvPool() = default;

int64_t KvPool::page_bytes(std::size_t group) const { return layout_.page_bytes(group, type()); }

at::ScalarType KvPool::type() const { return c10::typeMetaToScalarType(options_.dtype()); }

PageRef KvPool::take(std::size_t group) {
  auto& pages = groups_.at(group);
  const auto size = page_bytes(group);
  int32_t id = 0;
  if (!free_[group].empty()) {
    id = free_[group].back();
    free_[group].pop_back();
    free_bytes_ -= size;
  } else {
    const MemoryScope scope(MemoryKind::kv_cache);
    auto page = at::empty(layout_.page_shape(group, type()), options_);
    if (vacant_[group].empty()) {
      id = static_cast<int32_t>(pages.pages.size());
      free_[group].reserve(pages.pages.size() + 1);  // so that giving pages back never allocates
      vacant_[group].reserve(pages.pages.size() + 1);
      counts_[group].push_back(0);
      pages.addresses.push_back(nullptr);
      pages.pages.emplace_back();
    } else {
      id = vacant_[group].back();
      vacant_[group].pop_back();
    }
    const auto index = static_cast<std::size_t>(id);
    pages.addresses[index] = page.is_cpu() ? page.data_ptr() : nullptr;
    pages.pages[index] = std::move(page);
    bytes_ += size;
  }
  counts_[group][static_cast<std::size_t>(id)] = 1;
  ++in_use_;
  return {this, group, id};
}

PageRef KvPool::take(std::size_t group, const at::Tensor& content) {
  auto page = take(group);
  groups_[group].pages[static_cast<std::size_t>(page.id_)].copy_(content);
  return page;
}

PageRef KvPool::copy(const PageRef& page) {
  const auto content = groups_[page.group_].pages[static_cast<std::size_t>(page.id_)];
  return take(page.group_, content);
}

int64_t KvPool::references(const PageRef& page) const {
  return page ? counts_.at(page.group_).at(static_cast<std::size_t>(page.id_)) : 0;
}

void KvPool::retain(std::size_t group, int32_t id) noexcept { ++counts_[group][static_cast<std::size_t>(id)]; }

void KvPool::release(std::size_t group, int32_t id) noexcept {
  if (--counts_[group][static_cast<std::size_t>(id)] > 0) {
    return;
  }
  --in_use_;
  const auto size = page_bytes(group);
  free_[group].push_back(id);
  free_bytes_ += size;
  if (free_bytes_ > kept_bytes_) {
    trim();
  }
}

void KvPool::trim() {
  for (std::size_t group = 0; group < groups_.size(); ++group) {
    for (const auto id : free_[group]) {
      groups_[group].pages[static_cast<std::size_t>(id)] = at::Tensor();
      groups_[group].addresses[static_cast<std::size_t>(id)] = nullptr;
      vacant_[group].push_back(id);
      bytes_ -= page_bytes(group);
    }
    free_[group].clear();
  }
  free_bytes_ = 0;
}

SequencePages::SequencePages(KvPool& pool) : pool_(&pool), groups_(pool.layout().groups.size()) {}

void SequencePages::adopt(std::vector<std::vector<PageRef>> pages) {
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    auto& group = groups_[g];
    group.pages = std::move(pages[g]);
    group.ids.clear();
    for (const auto& page : group.pages) {
      group.ids.push_back(page.id());
      group.passed += page ? 0 : 1;
    }
  }
}

void SequencePages::leave(int64_t position) {
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    auto& group = groups_[g];
    const auto first = pool_->layout().first_page_seen(g, position);
    for (; group.passed < std::min(first, group.pages.size()); ++group.passed) {
      group.pages[group.passed] = PageRef();
      group.ids[group.passed] = -1;
    }
  }
}

int64_t SequencePages::bytes_to_take(int64_t end) const {
  const auto wanted = (end + kPagePositions - 1) / kPagePositions;
  int64_t bytes = 0;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const auto more = wanted - static_cast<int64_t>(groups_[g].pages.size());
    bytes += std::max<int64_t>(more, 0) * pool_->page_bytes(g);
  }
  return bytes;
}

PageRef SequencePages::page(std::size_t group, std::size_t index) const {
  const auto& pages = groups_.at(group).pages;
  return index < pages.size() ? pages[index] : PageRef();
}

void SequencePages::prepare(int64_t position, int64_t end) {
  leave(position);
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    auto& group = groups_[g];
    while (static_cast<int64_t>(group.pages.size()) * kPagePositions < end) {
      group.pages.push_back(pool_->take(g));
      group.ids.push_back(group.pages.back().id());
    }
  }
}

std::vector<at::Tensor> SequencePages::contents(int64_t positions) const {
  std::vector<at::Tensor> contents;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const auto shape = pool_->layout().pages_shape(g, positions, pool_->type());
    const auto first = static_cast<int64_t>(pool_->layout().first_page_seen(g, positions - 1));
    auto& pages = contents.emplace_back(at::empty(shape, pool_->type()));
    for (int64_t i = 0; i < shape[0]; ++i) {
      const auto id = static_cast<std::size_t>(groups_[g].ids.at(static_cast<std::size_t>(first + i)));
      pages[i].copy_(pool_->groups()[g].pages.at(id));
    }
    const auto filled = (positions - 1) % kPagePositions + 1;
    pages[shape[0] - 1].narrow(3, filled, kPagePositions - filled).zero_();
  }
  return contents;
}

std::vector<std::span<const int32_t>> SequencePages::ids() const {
  std::vector<std::span<const int32_t>> result;
  result.reserve(groups_.size());
  for (const auto& group : groups_) {
    result.emplace_back(group.ids);
  }
  return result;
}

int64_t SequencePages::count() const noexcept {
  int64_t count = 0;
  for (const auto& group : groups_) {
    count += static_cast<int64_t>(group.pages.size() - group.passed);
  }
  return count;
}

}  // namespace dstorch::nn
