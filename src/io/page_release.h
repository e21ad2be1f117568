#pragma once

#include <cstddef>
#include <functional>
#include <utility>

namespace dstorch {

/// Gives pages of a mapping back while a file is opened. Each storage's header lies among the data, on pages of its
/// own, and the system maps neighbours with it: without this, opening a file of many tensors takes much memory.
/// Without a callback it does nothing, as for bytes that are not mapped.
class PageRelease {
 public:
  PageRelease() = default;
  explicit PageRelease(std::function<void()> release) : release_(std::move(release)) {}

  /// To be called after each header.
  void after_page() {
    constexpr std::size_t kPagesBetweenReleases = 64;
    if (++pages_ % kPagesBetweenReleases == 0 && release_) {
      release_();
    }
  }

 private:
  std::function<void()> release_;
  std::size_t pages_ = 0;
};

}  // namespace dstorch
