#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace dstorch::text {

/// The processor time that matching patterns may take on this thread while it lives: a second, and two microseconds for
/// each byte of the text, tens of times what patterns in use take. Within another one it does nothing, so that all
/// patterns and pieces of one text share the time of that text.
class MatchBudget {
 public:
  explicit MatchBudget(std::size_t bytes) noexcept;
  MatchBudget(const MatchBudget&) = delete;
  MatchBudget& operator=(const MatchBudget&) = delete;
  ~MatchBudget();

  /// Whether the time of this thread's budget is used up. Cheap enough to be asked at each step of a match; it looks at
  /// the clock now and then. False where there is no budget.
  static bool spent() noexcept;

 private:
  [[nodiscard]] bool look() noexcept;

  std::chrono::nanoseconds allowed_;
  std::chrono::steady_clock::time_point begin_{};
  std::chrono::nanoseconds processor_begin_{};
  uint32_t asked_ = 0;
  bool over_ = false;
  bool outermost_ = false;
};

}  // namespace dstorch::text
