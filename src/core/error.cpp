#include "dstorch/error.h"

namespace dstorch {

std::string_view to_string(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::invalid_argument:
      return "invalid_argument";
    case ErrorKind::not_found:
      return "not_found";
    case ErrorKind::io:
      return "io";
    case ErrorKind::format:
      return "format";
    case ErrorKind::unsupported:
      return "unsupported";
    case ErrorKind::not_initialized:
      return "not_initialized";
    case ErrorKind::context_overflow:
      return "context_overflow";
    case ErrorKind::out_of_memory:
      return "out_of_memory";
    case ErrorKind::cancelled:
      return "cancelled";
    case ErrorKind::inference:
      return "inference";
    case ErrorKind::internal:
      return "internal";
  }
  return "unknown";
}

namespace {

/// The last of the causes.
std::exception_ptr root_of(std::exception_ptr error) {
  while (true) {
    try {
      std::rethrow_exception(error);
    } catch (const LMError& e) {
      if (!e.cause()) {
        return error;
      }
      error = e.cause();
    } catch (...) {
      return error;
    }
  }
}

}  // namespace

LMError::LMError(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}

LMError::LMError(ErrorKind kind, const std::string& message, std::exception_ptr cause)
    : std::runtime_error(cause ? message + ": " + describe(root_of(cause)) : message),
      kind_(kind),
      cause_(std::move(cause)) {}

std::string describe(const std::exception_ptr& error) {
  if (!error) {
    return {};
  }
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& e) {
    return e.what();
  } catch (...) {
    return "an exception of unknown type";
  }
}

}  // namespace dstorch
