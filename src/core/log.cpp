#include "dstorch/log.h"

#include <exception>
#include <memory>
#include <mutex>
#include <utility>

#include "core/throw.h"

namespace dstorch {
namespace {

/// Held while the callback is set and while it runs: one call at a time, and none once another one is set.
std::mutex& log_mutex() {
  static std::mutex mutex;
  return mutex;
}

using SharedCallback = std::shared_ptr<const LogCallback>;

SharedCallback& log_callback() {
  static SharedCallback callback;
  return callback;
}

/// The callback runs on this thread, which therefore holds the mutex.
thread_local bool inside_callback = false;

struct InsideCallback {
  InsideCallback() { inside_callback = true; }
  InsideCallback(const InsideCallback&) = delete;
  InsideCallback& operator=(const InsideCallback&) = delete;
  ~InsideCallback() { inside_callback = false; }
};

}  // namespace

void set_log_callback(LogCallback callback) {
  auto next = callback ? std::make_shared<const LogCallback>(std::move(callback)) : nullptr;
  if (inside_callback) {
    log_callback().swap(next);  // `log` holds the one that runs
    return;
  }
  const std::lock_guard lock(log_mutex());
  log_callback().swap(next);
}

void log(LogLevel level, std::string_view message) {
  require(!inside_callback, ErrorKind::invalid_argument,
          "log() must not be called from the log callback; the message was: {}", message);
  SharedCallback callback;  // outlives the lock: what it holds may log as it goes
  const std::lock_guard lock(log_mutex());
  callback = log_callback();
  if (!callback) {
    return;
  }
  const InsideCallback inside;
  constexpr const char* failed = "the log callback must not throw";
  try {
    (*callback)(level, message);
  } catch (const LMError& e) {
    throw LMError(e.kind(), failed, std::current_exception());
  } catch (...) {
    throw LMError(ErrorKind::invalid_argument, failed, std::current_exception());
  }
}

}  // namespace dstorch
