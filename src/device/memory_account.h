#pragma once

// Who uses how much memory. An allocator makes one MemoryRecord for each block and destroys it with the block; scopes
// say what a block is for.

#include <ATen/core/Tensor.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "dstorch/memory.h"

namespace dstorch {

/// Counts bytes by device and kind. Thread-safe; a few relaxed atomics a block.
class MemoryAccount {
 public:
  /// The account of everything this process allocates; the others count a part of it.
  static MemoryAccount& process();

  MemoryAccount();

  [[nodiscard]] MemoryUse use(const Device& device) const;

  /// From now on a block that would take the account's total on `device` over `bytes` is refused with
  /// LMError{out_of_memory}, before it is allocated. 0 lifts the limit.
  void set_limit(const Device& device, int64_t bytes) noexcept;
  [[nodiscard]] int64_t limit(const Device& device) const noexcept;

 private:
  friend class MemoryRecord;

  struct Counter {
    std::atomic<int64_t> bytes{0};
    std::atomic<int64_t> peak{0};
    /// The new value.
    int64_t add(int64_t change) noexcept;
    void raise_peak(int64_t value) noexcept;
    [[nodiscard]] MemoryUse::Amount amount() const noexcept;
  };
  struct Slot {
    Counter total;
    std::array<Counter, kMemoryKinds> kinds;
    Counter mapped;
    std::atomic<int64_t> limit{0};
    void add_part(MemoryKind kind, int64_t bytes, bool is_mapped) noexcept;
  };

  /// cpu, webgl, and this many cuda devices; those after the last are counted with it.
  static constexpr std::size_t kCudaDevices = 16;

  /// Throws LMError{out_of_memory} and counts nothing when the limit would be passed.
  void take(const Device& device, MemoryKind kind, int64_t bytes, bool mapped);
  /// Whatever the limit.
  void add(const Device& device, MemoryKind kind, int64_t bytes) noexcept;
  void give_back(const Device& device, MemoryKind kind, int64_t bytes, bool mapped) noexcept;
  void move(const Device& device, MemoryKind from, MemoryKind to, int64_t bytes) noexcept;
  static std::size_t index_of(const Device& device) noexcept;
  Slot& slot(const Device& device) noexcept { return slots_[index_of(device)]; }
  [[nodiscard]] const Slot& slot(const Device& device) const noexcept { return slots_[index_of(device)]; }

  std::array<Slot, 2 + kCudaDevices> slots_;
};

/// What this thread's blocks are for while the scope lives, and in whose account they are besides the process's. Scopes
/// nest; what a thread takes outside of all is counted where the device's allocator is ours alone.
class MemoryScope {
 public:
  /// The account of the scope around it.
  explicit MemoryScope(MemoryKind kind);
  MemoryScope(std::shared_ptr<MemoryAccount> account, MemoryKind kind);
  ~MemoryScope();
  MemoryScope(const MemoryScope&) = delete;
  MemoryScope& operator=(const MemoryScope&) = delete;

  struct Place {
    std::shared_ptr<MemoryAccount> account;  ///< null: the process's alone
    MemoryKind kind = MemoryKind::other;
  };
  /// Where a block is counted that the running thread makes now.
  static Place current() noexcept;

 private:
  Place place_;
  const MemoryScope* outer_;
  std::unique_ptr<c10::DebugInfoGuard> counting_;  // of the CPU's blocks; the outermost scope's
};

/// The same for the threads on which LibTorch runs the backward passes that begin while it lives: those of devices
/// other than the CPU have their own.
class BackwardMemoryScope {
 public:
  /// The account of the scope around it.
  explicit BackwardMemoryScope(MemoryKind kind);

 private:
  c10::DebugInfoGuard guard_;
};

/// One block, counted from construction to destruction in the process's account and in that of the scope it was made
/// in. It remembers both, and its kind, so that any thread may free it at any time.
class MemoryRecord {
 public:
  /// `mapped`: a part of a mapped file, used in place. Throws LMError{out_of_memory} when a limit would be passed.
  MemoryRecord(const Device& device, int64_t bytes, bool mapped = false);
  /// A block that is there already: no limit refuses it.
  static MemoryRecord of_allocated(const Device& device, int64_t bytes) noexcept;
  /// A block of a dry run (device/dry_run.h): in the scope's account alone, as one of the CPU's.
  static MemoryRecord of_planned(int64_t bytes) noexcept;
  /// `other` counts nothing afterwards.
  MemoryRecord(MemoryRecord&& other) noexcept;
  ~MemoryRecord();
  MemoryRecord(const MemoryRecord&) = delete;
  MemoryRecord& operator=(const MemoryRecord&) = delete;

  /// The block turned out to be for something else. Thread-safe.
  void move_to(MemoryKind kind) noexcept;

 private:
  /// Counts nothing yet.
  MemoryRecord(MemoryScope::Place place, const Device& device, int64_t bytes, bool mapped) noexcept;

  std::shared_ptr<MemoryAccount> account_;              // may be null
  MemoryAccount* process_ = &MemoryAccount::process();  // null: planned
  int64_t bytes_;
  Device device_;
  bool mapped_;
  std::atomic<MemoryKind> kind_;
};

/// The record behind a block of memory, or null when the block is not one of that allocator's.
using RecordFinder = MemoryRecord* (*)(const at::DataPtr& block);
/// How `retag` finds the records of a device's blocks. Once per device, before its first tensor.
void set_record_finder(DeviceType device, RecordFinder finder) noexcept;

/// Counts the memory of `tensor` as `kind` from now on. Nothing happens for memory that is not counted by a record.
void retag(const at::Tensor& tensor, MemoryKind kind) noexcept;

/// Counts tensors on `device` from now on; those on the CPU are counted by scopes. False when those on `device` cannot
/// be counted one by one, which only cuda's may not (`count_cuda_memory`): then accounts stay empty there.
bool count_memory(const Device& device);

}  // namespace dstorch
