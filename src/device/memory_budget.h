#pragma once

#include <cstdint>
#include <mutex>
#include <set>

namespace dstorch {

/// Promises of memory under one limit: what a call will take is promised to it before it allocates, and free for others
/// once it is over. Thread-safe. Bytes.
class MemoryBudget {
 public:
  /// What a call will take.
  struct Need {
    /// For itself, as long as it runs.
    int64_t own = 0;
    /// While its turn lasts: one call at a time has it.
    int64_t turn = 0;
    /// For all calls, and kept after them: the most any call asks for.
    int64_t kept = 0;
  };

  /// A promise, as long as it lives.
  class Reservation {
   public:
    Reservation() = default;
    Reservation(MemoryBudget* budget, const Need& need) noexcept : budget_(budget), need_(need) {}
    Reservation(Reservation&& other) noexcept;
    Reservation& operator=(Reservation&&) = delete;
    ~Reservation();
    /// False when there was no room.
    explicit operator bool() const noexcept { return budget_ != nullptr; }

   private:
    MemoryBudget* budget_ = nullptr;
    Need need_;
  };

  /// `fixed`: what is taken already and stays. The budget must outlive its reservations.
  MemoryBudget(int64_t limit, int64_t fixed) : limit_(limit), fixed_(fixed) {}

  [[nodiscard]] Reservation reserve(const Need& need);
  [[nodiscard]] int64_t limit() const noexcept { return limit_; }
  /// Promised to running calls, and taken for good.
  [[nodiscard]] int64_t committed() const;

 private:
  [[nodiscard]] int64_t committed_with(const Need& need) const;
  void release(const Need& need);

  int64_t limit_;
  int64_t fixed_;
  mutable std::mutex mutex_;
  int64_t own_ = 0;
  int64_t kept_ = 0;
  std::multiset<int64_t> turns_;
};

}  // namespace dstorch
