#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

namespace dstorch {

enum class LogLevel { debug, info, warning };

/// Receives every message the library has for its user. May be called from any thread, one call at a time. It must not
/// throw nor call `log`, itself or through other functions of the library: what logged then fails with an LMError.
using LogCallback = std::function<void(LogLevel, std::string_view message)>;

/// Replaces the process-wide log callback; an empty one (the default) discards messages. Waits for a call of the old
/// one that is running, unless it is called from there. Thread-safe.
void set_log_callback(LogCallback callback);

/// Sends `message` to the log callback. Thread-safe. Throws LMError when the callback throws (that is its cause), and
/// LMError{invalid_argument} inside the callback.
void log(LogLevel level, std::string_view message);

/// How far something long has come: `done` of `total` steps of `what` (bytes of a file, tokens of a prompt, ...).
struct Progress {
  std::string_view what;
  int64_t done = 0;
  int64_t total = 0;
};

/// Called as work advances, on the thread that does it. Return false to cancel; the work then throws
/// LMError{cancelled}.
using ProgressCallback = std::function<bool(const Progress&)>;

}  // namespace dstorch
