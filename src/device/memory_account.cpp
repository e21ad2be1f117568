#include "device/memory_account.h"

#include <algorithm>
#include <utility>

#include "core/throw.h"
#include "device/cpu_memory.h"
#include "device/dry_run.h"

namespace dstorch {
namespace {

thread_local const MemoryScope* current_scope = nullptr;

/// LibTorch hands this to the threads of a backward pass, which is what it is for ("extra information from the higher
/// layers down to the operators").
c10::DebugInfoKind backward_info() { return c10::DebugInfoKind::PRODUCER_INFO; }
struct BackwardPlace final : c10::DebugInfoBase {
  explicit BackwardPlace(MemoryScope::Place where) : place(std::move(where)) {}
  MemoryScope::Place place;
};

std::array<std::atomic<RecordFinder>, 3>& finders() noexcept {
  static std::array<std::atomic<RecordFinder>, 3> table{};
  return table;
}

}  // namespace

int64_t MemoryAccount::Counter::add(int64_t change) noexcept {
  return bytes.fetch_add(change, std::memory_order_relaxed) + change;
}

void MemoryAccount::Counter::raise_peak(int64_t value) noexcept {
  auto seen = peak.load(std::memory_order_relaxed);
  while (value > seen && !peak.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {
  }
}

MemoryUse::Amount MemoryAccount::Counter::amount() const noexcept {
  return {bytes.load(std::memory_order_relaxed), peak.load(std::memory_order_relaxed)};
}

MemoryAccount& MemoryAccount::process() {
  // Never destroyed: blocks may be freed while the program ends.
  static auto* const account = new MemoryAccount();
  return *account;
}

MemoryAccount::MemoryAccount() = default;

MemoryUse MemoryAccount::use(const Device& device) const {
  const auto& from = slot(device);
  MemoryUse use;
  use.device = device;
  use.total = from.total.amount();
  use.mapped = from.mapped.amount();
  for (std::size_t i = 0; i < kMemoryKinds; ++i) {
    use.kinds[i] = from.kinds[i].amount();
  }
  return use;
}

void MemoryAccount::set_limit(const Device& device, int64_t bytes) noexcept {
  slot(device).limit.store(bytes, std::memory_order_relaxed);
}

int64_t MemoryAccount::limit(const Device& device) const noexcept {
  return slot(device).limit.load(std::memory_order_relaxed);
}

std::size_t MemoryAccount::index_of(const Device& device) noexcept {
  switch (device.type) {
    case DeviceType::cpu:
      return 0;
    case DeviceType::webgl:
      return 1;
    case DeviceType::cuda:
      break;
  }
  return 2 + std::min(static_cast<std::size_t>(std::max(0, device.index)), kCudaDevices - 1);
}

void MemoryAccount::take(const Device& device, MemoryKind kind, int64_t bytes, bool mapped) {
  auto& to = slot(device);
  const auto total = to.total.add(bytes);
  if (const auto limit = to.limit.load(std::memory_order_relaxed); limit > 0 && total > limit) {
    to.total.add(-bytes);
    fail(ErrorKind::out_of_memory,
         "the memory limit of {} bytes would be passed: {} bytes are in use and {} more were asked for; raise the "
         "limit, or take a shorter context or a smaller dtype",
         limit, total - bytes, bytes);
  }
  to.total.raise_peak(total);
  to.add_part(kind, bytes, mapped);
}

void MemoryAccount::add(const Device& device, MemoryKind kind, int64_t bytes) noexcept {
  auto& to = slot(device);
  to.total.raise_peak(to.total.add(bytes));
  to.add_part(kind, bytes, false);
}

void MemoryAccount::Slot::add_part(MemoryKind kind, int64_t bytes, bool is_mapped) noexcept {
  auto& by_kind = kinds[static_cast<std::size_t>(kind)];
  by_kind.raise_peak(by_kind.add(bytes));
  if (is_mapped) {
    mapped.raise_peak(mapped.add(bytes));
  }
}

void MemoryAccount::give_back(const Device& device, MemoryKind kind, int64_t bytes, bool mapped) noexcept {
  auto& from = slot(device);
  from.total.add(-bytes);
  from.kinds[static_cast<std::size_t>(kind)].add(-bytes);
  if (mapped) {
    from.mapped.add(-bytes);
  }
}

void MemoryAccount::move(const Device& device, MemoryKind from, MemoryKind to, int64_t bytes) noexcept {
  auto& kinds = slot(device).kinds;
  kinds[static_cast<std::size_t>(from)].add(-bytes);
  auto& target = kinds[static_cast<std::size_t>(to)];
  target.raise_peak(target.add(bytes));
}

MemoryScope::Place MemoryScope::current() noexcept {
  if (current_scope != nullptr) {
    return current_scope->place_;
  }
  const auto* info = dynamic_cast<BackwardPlace*>(c10::ThreadLocalDebugInfo::get(backward_info()));
  return info != nullptr ? info->place : Place{};
}

MemoryScope::MemoryScope(MemoryKind kind) : MemoryScope(current().account, kind) {}

MemoryScope::MemoryScope(std::shared_ptr<MemoryAccount> account, MemoryKind kind)
    : place_{std::move(account), kind}, outer_(current_scope), counting_(count_cpu_memory()) {
  current_scope = this;
}

MemoryScope::~MemoryScope() { current_scope = outer_; }

BackwardMemoryScope::BackwardMemoryScope(MemoryKind kind)
    : guard_(backward_info(),
             std::make_shared<BackwardPlace>(MemoryScope::Place{MemoryScope::current().account, kind})) {}

MemoryRecord::MemoryRecord(MemoryScope::Place place, const Device& device, int64_t bytes, bool mapped) noexcept
    : account_(std::move(place.account)), bytes_(bytes), device_(device), mapped_(mapped), kind_(place.kind) {}

MemoryRecord::MemoryRecord(const Device& device, int64_t bytes, bool mapped)
    : MemoryRecord(MemoryScope::current(), device, 0, mapped) {
  const auto kind = kind_.load(std::memory_order_relaxed);
  if (account_) {
    account_->take(device, kind, bytes, mapped);
  }
  try {
    MemoryAccount::process().take(device, kind, bytes, mapped);
  } catch (...) {
    if (account_) {
      account_->give_back(device, kind, bytes, mapped);
    }
    throw;
  }
  bytes_ = bytes;
}

MemoryRecord MemoryRecord::of_allocated(const Device& device, int64_t bytes) noexcept {
  MemoryRecord record(MemoryScope::current(), device, bytes, false);
  const auto kind = record.kind_.load(std::memory_order_relaxed);
  if (record.account_) {
    record.account_->add(device, kind, bytes);
  }
  MemoryAccount::process().add(device, kind, bytes);
  return record;
}

MemoryRecord MemoryRecord::of_planned(int64_t bytes) noexcept {
  MemoryRecord record(MemoryScope::current(), Device{}, bytes, false);
  record.process_ = nullptr;
  if (record.account_) {
    record.account_->add(Device{}, record.kind_.load(std::memory_order_relaxed), bytes);
  }
  return record;
}

MemoryRecord::MemoryRecord(MemoryRecord&& other) noexcept
    : account_(std::move(other.account_)),
      process_(other.process_),
      bytes_(std::exchange(other.bytes_, 0)),
      device_(other.device_),
      mapped_(other.mapped_),
      kind_(other.kind_.load(std::memory_order_relaxed)) {}

MemoryRecord::~MemoryRecord() {
  const auto kind = kind_.load(std::memory_order_relaxed);
  if (account_) {
    account_->give_back(device_, kind, bytes_, mapped_);
  }
  if (process_ != nullptr) {
    process_->give_back(device_, kind, bytes_, mapped_);
  }
}

void MemoryRecord::move_to(MemoryKind kind) noexcept {
  const auto from = kind_.exchange(kind, std::memory_order_relaxed);
  if (from == kind) {
    return;
  }
  if (account_) {
    account_->move(device_, from, kind, bytes_);
  }
  if (process_ != nullptr) {
    process_->move(device_, from, kind, bytes_);
  }
}

void set_record_finder(DeviceType device, RecordFinder finder) noexcept {
  finders()[static_cast<std::size_t>(device)].store(finder, std::memory_order_release);
}

void retag(const at::Tensor& tensor, MemoryKind kind) noexcept {
  if (!tensor.defined() || !tensor.has_storage()) {
    return;
  }
  if (auto* record = tensor.is_meta() ? find_dry_record(tensor.storage().data_ptr()) : nullptr) {
    record->move_to(kind);
    return;
  }
  const auto type = tensor.is_cpu() ? DeviceType::cpu : tensor.is_cuda() ? DeviceType::cuda : DeviceType::webgl;
  if (const auto finder = finders()[static_cast<std::size_t>(type)].load(std::memory_order_acquire)) {
    if (auto* record = finder(tensor.storage().data_ptr())) {
      record->move_to(kind);
    }
  }
}

}  // namespace dstorch
