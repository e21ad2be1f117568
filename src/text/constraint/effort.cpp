#include "text/constraint/effort.h"

#include "core/throw.h"

namespace dstorch::text::constraint {

thread_local EffortLimit* EffortLimit::current = nullptr;

void spend(int64_t steps) {
  if (EffortLimit::current == nullptr) {
    return;
  }
  EffortLimit::current->left_ -= steps;
  require(EffortLimit::current->left_ >= 0, ErrorKind::unsupported,
          "the constraint takes too long to work out: it has too many parts, or parts that must each be compared with "
          "many others; make it smaller, or simpler");
}

}  // namespace dstorch::text::constraint
