#pragma once

#include "driver/framework_words.h"

namespace dstorch::driver {

/// Runs `work`; whatever it throws becomes an LMError in the framework's words. That there is no model says itself.
template <typename Work>
auto guarded(Work&& work) {
  try {
    return work();
  } catch (const LMError& e) {
    if (e.kind() == ErrorKind::not_initialized) {
      throw;
    }
    rethrow_as("Torch model inference failed", ErrorKind::inference);
  } catch (...) {
    rethrow_as("Torch model inference failed", ErrorKind::inference);
  }
}

}  // namespace dstorch::driver
