#include "driver/framework_words.h"

#include <c10/util/Exception.h>

#include <new>
#include <system_error>

namespace dstorch::driver {

void rethrow_as(const std::string& phrase, ErrorKind otherwise) {
  const auto because = [&](ErrorKind kind, const std::string& root) {
    return LMError(kind, phrase, std::make_exception_ptr(LMError(kind, root)));
  };
  try {
    throw;
  } catch (const LMError& e) {
    if (e.kind() == ErrorKind::invalid_argument) {
      throw;
    }
    throw LMError(e.kind(), phrase, std::current_exception());
  } catch (const std::bad_alloc&) {
    throw because(ErrorKind::out_of_memory, "the system gave no more memory; dstorch plan says what a model needs");
  } catch (const c10::Error& e) {
    // What LibTorch's allocator for the CPU says, in every version; it has no type of its own.
    const std::string words = e.what_without_backtrace();
    const bool memory = words.find("can't allocate memory") != std::string::npos;
    throw because(memory ? ErrorKind::out_of_memory : otherwise, words);
  } catch (const std::system_error&) {
    throw LMError(ErrorKind::io, phrase, std::current_exception());
  } catch (...) {
    throw LMError(otherwise, phrase, std::current_exception());
  }
}

}  // namespace dstorch::driver
