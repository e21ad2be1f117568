#pragma once

#include <c10/core/Allocator.h>
#include <c10/core/Device.h>

#include <memory>

#include "device/memory_account.h"

namespace dstorch {

/// While it lives, the running thread computes sizes alone: the tensors it makes on LibTorch's `meta` device, which
/// have no memory, stand for tensors of another device. Operations choose for them what they would choose there
/// (`device`), and each block that they would take is counted in an account, by the kind of the MemoryScope around, and
/// in no other: `account.use({})` then says what the same code takes when it runs. Other threads notice nothing.
class DryRun {
 public:
  /// Counts as `other` where no MemoryScope says more.
  DryRun(std::shared_ptr<MemoryAccount> account, at::Device device);
  ~DryRun();
  DryRun(const DryRun&) = delete;
  DryRun& operator=(const DryRun&) = delete;

  /// What the running thread's tensors on `device` are for: those on `meta`, in a dry run, for another.
  static at::Device meaning(at::Device device) noexcept;

 private:
  const DryRun* outer_;
  at::Device device_;
  MemoryScope scope_;
};

/// The record of a block that a dry run counts; null for others.
MemoryRecord* find_dry_record(const at::DataPtr& block) noexcept;

}  // namespace dstorch
