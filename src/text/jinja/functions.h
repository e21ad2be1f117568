#pragma once

#include <optional>
#include <string_view>

#include "text/jinja/value.h"

namespace dstorch::text::jinja {

class Runtime;

/// range, dict, namespace, cycler, joiner, raise_exception, strftime_now: what every template may call.
std::optional<Value> find_global(Runtime& runtime, std::string_view name);

}  // namespace dstorch::text::jinja
