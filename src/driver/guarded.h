#pragma once

#include <c10/util/Exception.h>

#include <exception>
#include <new>
#include <stdexcept>

#include "dstorch/error.h"

namespace dstorch::driver {

/// Runs `work`; whatever LibTorch or the standard library throws becomes an LMError in the framework's words. Errors of
/// use keep their own.
template <typename Work>
auto guarded(Work&& work) {
  constexpr const char* failed = "Torch model inference failed";
  try {
    return work();
  } catch (const LMError& e) {
    if (e.kind() == ErrorKind::not_initialized) {
      throw;
    }
    throw LMError(e.kind(), failed, std::current_exception());
  } catch (const std::bad_alloc&) {
    throw LMError(ErrorKind::out_of_memory, failed, std::current_exception());
  } catch (const c10::Error& e) {
    throw LMError(ErrorKind::inference, failed,
                  std::make_exception_ptr(std::runtime_error(e.what_without_backtrace())));
  } catch (const std::exception&) {
    throw LMError(ErrorKind::inference, failed, std::current_exception());
  }
}

}  // namespace dstorch::driver
