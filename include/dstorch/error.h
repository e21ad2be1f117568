#pragma once

#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>

namespace dstorch {

/// What went wrong, for programs; `LMError::what()` says it for people.
enum class ErrorKind {
  invalid_argument,  ///< An option or argument is outside what is allowed.
  not_found,         ///< A file, model or name does not exist.
  io,                ///< The operating system refused to read or write.
  format,            ///< A file's content breaks its format, or is hostile.
  unsupported,       ///< Valid, but dstorch or this build cannot do it.
  not_initialized,   ///< The driver was used before `init()` or after `cleanup()`.
  context_overflow,  ///< Prompt and answer need more positions than the model has.
  out_of_memory,     ///< The memory asked for is not there, or is over the limit set.
  cancelled,         ///< The caller asked to stop.
  inference,         ///< The model failed, or produced numbers that are not finite.
  internal,          ///< A bug in dstorch.
};

/// The kind's name as written above, e.g. "context_overflow".
std::string_view to_string(ErrorKind kind) noexcept;

/// The one exception type dstorch throws.
///
/// `what()` says what was expected, what came and what to do: what failed, then the root cause, each once. `cause()` is
/// the error that led to this one, or null; what lies between the two is in the causes. Copyable; safe to rethrow on
/// another thread.
class LMError : public std::runtime_error {
 public:
  LMError(ErrorKind kind, const std::string& message);
  /// `message` followed by ": " and the text of the root cause: of `cause`, of its cause, and so on, the last.
  LMError(ErrorKind kind, const std::string& message, std::exception_ptr cause);

  [[nodiscard]] ErrorKind kind() const noexcept { return kind_; }
  [[nodiscard]] const std::exception_ptr& cause() const noexcept { return cause_; }

 private:
  ErrorKind kind_;
  std::exception_ptr cause_;
};

/// The text of any exception.
std::string describe(const std::exception_ptr& error);

}  // namespace dstorch
