#pragma once

#include <functional>
#include <initializer_list>
#include <set>
#include <string>
#include <string_view>

#include "text/jinja/ast.h"

namespace dstorch::text::jinja {

/// Calls `visit` for `expr` and every expression inside it, outermost first.
void walk(const Expr& expr, const std::function<void(const Expr&)>& visit);

/// The expressions inside a call's parentheses.
void for_each_argument(const CallArgs& args, const std::function<void(const Expr&)>& visit);

/// Those of `names` that `body` reads before it assigns to them, scopes inside it included: this is how Jinja finds out
/// whether a loop uses `loop`, and a macro `caller`, `kwargs` or `varargs`.
std::set<std::string> find_undeclared(const Body& body, std::initializer_list<std::string_view> names);

/// The line where `stmt`, or a `set` or `for` inside it, assigns to `name`; 0 without one.
int line_of_store(const Stmt& stmt, std::string_view name);

}  // namespace dstorch::text::jinja
