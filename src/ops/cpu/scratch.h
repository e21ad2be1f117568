#pragma once

#include <cstddef>
#include <memory>

namespace dstorch::ops::cpu {

/// Float scratch memory that a thread keeps between calls, so that steady work allocates nothing. Aligned to 64 bytes.
class Scratch {
 public:
  /// The calling thread's. At most one kernel call uses it at a time.
  static Scratch& of_this_thread();

  /// Room for `count` floats, contents undefined; invalidates what was handed out before. Throws std::bad_alloc.
  float* floats(std::size_t count);

  /// Gives back what is beyond an ordinary call's need.
  void trim() noexcept;

 private:
  struct Free {
    void operator()(float* data) const noexcept;
  };
  std::unique_ptr<float[], Free> data_;
  std::size_t capacity_ = 0;
};

}  // namespace dstorch::ops::cpu
