#pragma once

#include <string_view>

#include "text/constraint/expression.h"

namespace dstorch::text::constraint {

/// The texts of a `format` of JSON Schema: those that are in it for certain, and not longer than anybody needs; none
/// has a `"` or a `\`. Throws LMError{unsupported} for a format that is not known here, with those that are.
Expr format_language(std::string_view format);

}  // namespace dstorch::text::constraint
