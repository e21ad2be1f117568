#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/ast.h"
#include "text/jinja/runtime.h"
#include "text/jinja/scopes.h"

namespace dstorch::text::jinja {

/// The variables of one call of the template, a macro, a recursive loop or a block.
struct Activation {
  Activation(Activation* function_outside, int count, std::pmr::memory_resource* memory)
      : outside(function_outside), slots(static_cast<std::size_t>(count), Value(), memory) {}
  Activation* outside;
  std::pmr::vector<Value> slots;
};

/// Where the rendering has text of the assistant: bytes [first, second).
using Generated = std::vector<std::pair<std::size_t, std::size_t>>;

/// Runs a program once; after an error it is of no more use.
class Evaluator {
 public:
  /// `variables`: what the template is given.
  Evaluator(Runtime& runtime, const Program& program, const Dict& variables)
      : runtime_(runtime), program_(program), variables_(variables) {}

  /// The rendering.
  std::string run();
  Generated generated;

 private:
  friend class Macro;
  friend class Loop;
  friend class FilteredItems;
  enum class Flow { normal, broken, continued };

  // Expressions.
  Value evaluate(const Expr& expr);
  Value evaluate_or_none(const ExprPtr& expr);
  Value load(const Expr& expr);
  Value& slot(const Variable& variable);
  Value make_sequence(const Expr& expr);
  Value make_dict(const Expr& expr);
  Value slice(const Expr& expr);
  Value concat(const Expr& expr);
  bool compare_chain(const Expr& expr);
  Value conditional(const Expr& expr);
  Value filter(const Expr& expr, const Value* block);
  bool test(const Expr& expr);
  Value call(const Expr& expr, const Value* caller = nullptr);

  /// A call's arguments, evaluated.
  struct Arguments;

  // Statements.
  Flow execute(const Body& body);
  Flow execute(const Stmt& stmt);
  void output(const Stmt& stmt);
  Flow branch(const Stmt& stmt);
  void assign(const Stmt& stmt);
  void assign(const Expr& target, const Value& value);
  void export_variables(const Stmt& stmt);
  Flow assign_block(const Stmt& stmt);
  Flow filter_block(const Stmt& stmt);
  Flow with(const Stmt& stmt);
  void call_block(const Stmt& stmt);
  void generation(const Stmt& stmt);
  void block(const Stmt& stmt);
  Flow loop(const Stmt& stmt);
  Flow run_loop(const Stmt& stmt, const Value& values, int64_t depth);
  Flow otherwise(const Stmt& stmt);
  std::string render_recursive(const Stmt& stmt, Activation* outside, const Value& values, int64_t depth);
  std::string render_macro(const Stmt& stmt, Activation* outside, const std::vector<Value>& values);

  void enter_scope(const Scope& scope);
  Value resolve(const std::string& name);
  void write(std::string_view text);
  /// What `body` writes, kept apart.
  Flow capture(const Body& body, std::string& text);

  Runtime& runtime_;
  const Program& program_;
  const Dict& variables_;
  Dict* exported_ = nullptr;
  Activation* current_ = nullptr;
  std::string root_;
  std::string* out_ = &root_;
};

/// A macro, or the body of a call block.
class Macro : public Object {
 public:
  Macro(Evaluator& evaluator, const Stmt& stmt, Activation* outside)
      : evaluator_(evaluator), stmt_(stmt), outside_(outside) {}
  [[nodiscard]] std::string_view type_name() const override { return "Macro"; }
  std::optional<Value> attribute(Runtime& runtime, std::string_view name) override;
  [[nodiscard]] bool callable() const override { return true; }
  Value call(Runtime& runtime, const Args& args) override;

 private:
  [[nodiscard]] std::string_view name() const;

  Evaluator& evaluator_;
  const Stmt& stmt_;
  Activation* outside_;
};

/// What `loop` is inside a loop.
class Loop : public Object {
 public:
  /// `length`: -1 where it takes going through all values to know it.
  Loop(Evaluator& evaluator, const Stmt& stmt, Activation* outside, Iterator* values, int64_t length, int64_t depth)
      : evaluator_(evaluator), stmt_(stmt), outside_(outside), values_(values), length_(length), depth_(depth) {}
  [[nodiscard]] std::string_view type_name() const override { return "LoopContext"; }
  std::optional<Value> attribute(Runtime& runtime, std::string_view name) override;
  [[nodiscard]] bool callable() const override { return true; }
  Value call(Runtime& runtime, const Args& args) override;
  int64_t length(Runtime& runtime) override;

  /// Moves on to the next value.
  bool next(Value& value);

 private:
  static Value cycle(Runtime& runtime, const Value& self, const Args& args);
  static Value changed(Runtime& runtime, const Value& self, const Args& args);
  bool peek();

  Evaluator& evaluator_;
  const Stmt& stmt_;
  Activation* outside_;
  Iterator* values_;
  int64_t length_;
  int64_t depth_;
  int64_t index_ = -1;
  Value before_;
  Value current_;
  Value after_;
  Value last_changed_;
};

}  // namespace dstorch::text::jinja
