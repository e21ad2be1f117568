#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace dstorch::engine {

/// A thread beside its owner's thread that runs one job at a time. The thread is started with the first job. The owner
/// alone may call it.
class Companion {
 public:
  Companion() = default;
  ~Companion();
  Companion(const Companion&) = delete;
  Companion& operator=(const Companion&) = delete;

  /// A job that was started. Its destructor waits until the job has ended.
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

  /// Starts `job`, which must not throw. The previous job must have ended.
  [[nodiscard]] Job start(std::function<void()> job);

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable news_;  // a job was given, has ended, or no more will come
  std::function<void()> job_;     // empty: nothing to do
  bool closing_ = false;
  std::thread thread_;
};

}  // namespace dstorch::engine
