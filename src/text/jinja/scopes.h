#pragma once

#include <string_view>

#include "text/jinja/ast.h"

namespace dstorch::text::jinja {

/// The template's own scope.
struct Program {
  Body body;
  Scope scope;
  int slots = 0;
  bool has_blocks = false;
};

/// Finds the variable that each name of `program` means, as Jinja does when it compiles a template: a scope that
/// assigns to a name anywhere has a variable of its own, which begins as a copy of the outer one. Refuses what Jinja
/// refuses to compile. `name` is the template's in errors. Throws LMError{format}.
void resolve_scopes(Program& program, std::string_view name);

}  // namespace dstorch::text::jinja
