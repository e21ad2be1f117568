#include "text/match_budget.h"

#include <ctime>

namespace dstorch::text {
namespace {

thread_local MatchBudget* budget_of_this_thread = nullptr;

/// Between two of its steps a match can go through a whole text once, so that it is looked at often.
constexpr uint32_t kStepsPerLook = 16;

/// Of this thread: waiting for a processor does not count.
std::chrono::nanoseconds processor_time() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

}  // namespace

MatchBudget::MatchBudget(std::size_t bytes) noexcept
    : allowed_(std::chrono::seconds(1) + std::chrono::microseconds(2) * static_cast<int64_t>(bytes)) {
  if (budget_of_this_thread == nullptr) {
    budget_of_this_thread = this;
    outermost_ = true;
  }
}

MatchBudget::~MatchBudget() {
  if (outermost_) {
    budget_of_this_thread = nullptr;
  }
}

bool MatchBudget::spent() noexcept {
  MatchBudget* budget = budget_of_this_thread;
  return budget != nullptr && (budget->over_ || (++budget->asked_ % kStepsPerLook == 0 && budget->look()));
}

bool MatchBudget::look() noexcept {
  const auto now = std::chrono::steady_clock::now();
  if (begin_ == std::chrono::steady_clock::time_point{}) {
    begin_ = now;
    processor_begin_ = processor_time();
    return false;
  }
  // The clock of the thread is a system call, that of the wall is none; the first is never ahead of the second.
  over_ = now - begin_ > allowed_ && processor_time() - processor_begin_ > allowed_;
  return over_;
}

}  // namespace dstorch::text
