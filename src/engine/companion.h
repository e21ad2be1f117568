#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace dstorch::engine {

/// A thread that does one job at a time beside its owner's. It is started with the first job.
class Companion {
 public:
  Companion() = default;
  ~Companion();
  Companion(const Companion&) = delete;
  Companion& operator=(const Companion&) = delete;

  /// A job that was begun: waits for its end when it goes.
  class Job {
   public:
    Job() = default;
    explicit Job(Companion* owner) : owner_(owner) {}
    Job(Job&& other) noexcept : owner_(other.owner_) { other.owner_ = nullptr; }
    Job& operator=(Job&&) = delete;
    ~Job();

   private:
    Companion* owner_ = nullptr;
  };

  /// Begins `job`, which throws nothing. The one before must be over.
  [[nodiscard]] Job start(std::function<void()> job);

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable news_;  // a job, its end, or that no more come
  std::function<void()> job_;     // none: there is nothing to do
  bool closing_ = false;
  std::thread thread_;
};

}  // namespace dstorch::engine
