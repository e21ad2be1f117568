#pragma once

#include <algorithm>
#include <cstddef>
#include <memory_resource>
#include <new>
#include <string_view>
#include <utility>

namespace dstorch::text::jinja {

/// Owns every value that one rendering makes. All of it is freed at once, without destructors, so values may point at
/// each other in circles; whatever lies here must keep its own memory here too (the std::pmr containers).
class Arena {
 public:
  template <typename T, typename... Args>
  T* make(Args&&... args) {
    return new (memory_.allocate(sizeof(T), alignof(T))) T(std::forward<Args>(args)...);
  }

  std::string_view copy(std::string_view text) { return join(text, {}); }

  /// `a` and `b` as one text.
  std::string_view join(std::string_view a, std::string_view b) {
    if (a.empty() && b.empty()) {
      return {};
    }
    auto* bytes = static_cast<char*>(memory_.allocate(a.size() + b.size(), 1));
    std::copy(b.begin(), b.end(), std::copy(a.begin(), a.end(), bytes));
    return {bytes, a.size() + b.size()};
  }

  std::pmr::memory_resource* memory() noexcept { return &memory_; }

 private:
  static constexpr std::size_t kFirstBlock = 16384;
  std::pmr::monotonic_buffer_resource memory_{kFirstBlock};
};

}  // namespace dstorch::text::jinja
