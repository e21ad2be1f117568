#pragma once

#include <filesystem>

namespace dstorch::training {

/// Keeps other processes from training into a directory while it lives. It goes with its process, however that ends.
class RunLock {
 public:
  /// Throws LMError: invalid_argument when another run has it, io.
  explicit RunLock(const std::filesystem::path& directory);
  ~RunLock();
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

 private:
  int fd_;
};

}  // namespace dstorch::training
