#include "loop.h"

#include <utility>

namespace dstorch::node {

Loop::Loop(Napi::Env env) : env_(env) {
  const auto name = Napi::String::New(env, "dstorch");
  const auto status =
      napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, this, &Loop::run, &wake_);
  NAPI_THROW_IF_FAILED_VOID(env, status);
  napi_unref_threadsafe_function(env, wake_);
}

void Loop::post(Task task) {
  const std::lock_guard lock(mutex_);
  if (closed_) {
    return;
  }
  tasks_.push_back(std::move(task));
  if (tasks_.size() == 1) {
    napi_call_threadsafe_function(wake_, nullptr, napi_tsfn_nonblocking);
  }
}

void Loop::hold() {
  if (holds_++ == 0) {
    napi_ref_threadsafe_function(env_, wake_);
  }
}

void Loop::release() {
  if (--holds_ == 0) {
    napi_unref_threadsafe_function(env_, wake_);
  }
}

void Loop::close() {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(closed_, true)) {
      return;
    }
    tasks_.clear();
  }
  napi_release_threadsafe_function(wake_, napi_tsfn_abort);
}

void Loop::run(napi_env env, napi_value /*callback*/, void* context, void* /*data*/) {
  if (env == nullptr) {
    return;  // the environment is going; so may be the loop
  }
  auto& loop = *static_cast<Loop*>(context);
  std::vector<Task> tasks;
  {
    const std::lock_guard lock(loop.mutex_);
    tasks.swap(loop.tasks_);
  }
  for (const auto& task : tasks) {
    const Napi::HandleScope scope(env);
    try {
      task(env);
    } catch (const Napi::Error& error) {
      napi_fatal_exception(env, error.Value());  // as if thrown by a timer: an uncaught exception
    }
  }
}

}  // namespace dstorch::node
