#pragma once

#include <string_view>

#include "text/constraint/expression.h"

namespace dstorch::text::constraint {

/// Reads a grammar in the GBNF of llama.cpp: rules `name ::= ...`, of which `root` is the whole text; "literals",
/// [classes], `.`, (groups), `|`, `* + ? {m} {m,} {m,n}`, `#` comments. Throws LMError: format for what is no grammar,
/// a rule that is used and missing or given twice.
Grammar parse_gbnf(std::string_view text);

}  // namespace dstorch::text::constraint
