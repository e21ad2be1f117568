#pragma once

#include <string_view>

#include "text/constraint/expression.h"

namespace dstorch::text::constraint {

/// Reads a regular expression in the syntax that ECMAScript, PCRE and Python share: literals, `.`, classes, groups,
/// alternatives, greedy and lazy quantifiers (which mean the same language), `^` and `$`, `\d \w \s` (of ASCII) and
/// their negations, `\n \r \t \f \v \0 \xHH \x{H} \uHHHH \u{H}`. `^` and `$` become the characters kTextBegin and
/// kTextEnd. Throws LMError: format for what is no regular expression, unsupported for what is not regular or not known
/// here (assertions, references, flags). `where` names the pattern in errors.
Expr parse_regex(std::string_view pattern, std::string_view where);

/// The texts that a pattern matches as a whole, where it has `^` and `$` at the ends of its alternatives alone.
/// Throws as `parse_regex`.
Expr parse_whole_regex(std::string_view pattern);

}  // namespace dstorch::text::constraint
