#include "text/jinja/runtime.h"

namespace dstorch::text::jinja {

void Runtime::fail_with(const std::string& message) {
  dstorch::fail(ErrorKind::invalid_argument, "{}, line {}: {}", name_, line, message);
}

void Runtime::unsupported(std::string_view what) {
  dstorch::fail(ErrorKind::unsupported, "{}, line {}: {} is not supported", name_, line, what);
}

void Runtime::fail_undefined(const Undefined& undefined) {
  if (!undefined.hint.empty()) {
    fail("{}", undefined.hint);
  }
  if (undefined.owner.empty()) {
    fail("'{}' is undefined: the template needs what was not given", undefined.name);
  }
  fail("'{}' has no attribute '{}'", undefined.owner, undefined.name);
}

void Runtime::stop(std::string_view why) {
  dstorch::fail(ErrorKind::format, "{}, line {}: the template {}", name_, line, why);
}

}  // namespace dstorch::text::jinja
