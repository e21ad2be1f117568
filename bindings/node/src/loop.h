#pragma once

#include <napi.h>

#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

namespace dstorch::node {

/// Brings work from any thread to the one of a JavaScript environment.
class Loop {
 public:
  using Task = std::function<void(Napi::Env)>;

  explicit Loop(Napi::Env env);
  ~Loop() { close(); }
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  /// Runs `task` on the JavaScript thread, soon. Any thread. After `close` the task is thrown away where it is, so it
  /// must own nothing that belongs to JavaScript.
  void post(Task task);

  // The JavaScript thread's.
  /// While there are more holds than releases, the environment does not end by itself.
  void hold();
  void release();
  /// Runs nothing any more.
  void close();

 private:
  static void run(napi_env env, napi_value callback, void* context, void* data);

  napi_env env_;
  napi_threadsafe_function wake_ = nullptr;
  int64_t holds_ = 0;

  std::mutex mutex_;
  std::vector<Task> tasks_;
  bool closed_ = false;
};

}  // namespace dstorch::node
