#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "text/jinja/filters.h"
#include "text/jinja/operators.h"
#include "text/jinja/value.h"

namespace dstorch::text::jinja {

struct Expr;
struct Stmt;
using ExprPtr = std::unique_ptr<Expr>;
using StmtPtr = std::unique_ptr<Stmt>;
using Body = std::vector<StmtPtr>;

/// Where a variable lies: in the slot `slot` of the function `hops` functions further out.
struct Variable {
  int hops = 0;
  int slot = -1;
};

struct CallArgs {
  std::vector<ExprPtr> positional;
  std::vector<std::pair<std::string, ExprPtr>> named;
  /// *values and **values, or null.
  ExprPtr more_positional;
  ExprPtr more_named;
};

struct Expr {
  enum class Kind : uint8_t {
    constant,
    name,
    namespace_name,  ///< name.attribute, to be assigned to
    list,
    tuple,
    dict,       ///< operands: key, value, key, value, ...
    attribute,  ///< operands: object
    item,       ///< operands: object, key
    slice,      ///< operands: object, start, stop, step; null where left out
    call,       ///< operands: function
    filter,     ///< operands: value; null inside a filter block
    test,       ///< operands: value
    negate,
    plus,
    logical_not,
    logical_and,
    logical_or,
    binary,
    concat,
    compare,      ///< operands: one more than comparisons
    conditional,  ///< operands: condition, then, else or null
  };
  Kind kind = Kind::constant;
  int line = 1;
  /// How deep its operands nest, for the parser's limit.
  int height = 1;
  Value value;
  std::string name;
  std::string attribute;
  Variable variable;
  std::vector<ExprPtr> operands;
  CallArgs args;
  BinaryOp op = BinaryOp::add;
  std::vector<CompareOp> comparisons;
  /// Null for one that does not exist: an error once it is reached.
  Filter filter = nullptr;
  Test test = nullptr;
};

/// What happens to a variable where its scope is entered.
struct ScopeLoad {
  enum class Kind : uint8_t {
    resolve,   ///< Looked up among what the template was given.
    alias,     ///< Begins as a copy of an outer variable.
    undefined  ///< Not there until it is assigned.
  };
  Kind kind = Kind::undefined;
  int slot = -1;
  std::string name;
  Variable source;
};

/// A scope's variables.
struct Scope {
  std::vector<ScopeLoad> loads;
};

struct Parameter {
  std::string name;
  int slot = -1;
  /// Null without one.
  ExprPtr fallback;
};

/// What a macro's body also reads; slots, or -1.
struct MacroExtras {
  int caller = -1;
  int named = -1;
  int positional = -1;
};

struct Stmt {
  enum class Kind : uint8_t {
    text,
    output,
    assign,
    assign_block,  ///< expr: the filter, or null
    loop,
    branch,
    macro,
    call_block,
    generation,
    filter_block,
    with,
    scope,  ///< autoescape
    block,
    loop_break,
    loop_continue,
    outside,  ///< include, import, extends: there is nothing outside
  };
  struct Branch {
    /// Null for `else`.
    ExprPtr test;
    Body body;
  };

  Kind kind = Kind::text;
  int line = 1;
  std::string text;
  std::vector<ExprPtr> exprs;
  /// Assigned to, in turn.
  std::vector<ExprPtr> targets;
  ExprPtr expr;
  Body body;
  std::vector<Branch> branches;
  Scope scope;

  // assign, assign_block, macro: at the template's top, so that blocks see it.
  bool exported = false;
  Variable variable;

  // loop
  ExprPtr test;
  ExprPtr test_target;
  Scope test_scope;
  Body otherwise;
  Scope else_scope;
  bool recursive = false;
  int loop_slot = -1;

  // macro, call_block, generation, a recursive loop, block: slots of a call.
  int slots = 0;
  std::vector<Parameter> parameters;
  MacroExtras extras;
  // block: the variables around it are seen.
  bool scoped = false;
};

}  // namespace dstorch::text::jinja
