#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "text/constraint/expression.h"

namespace dstorch::text::constraint {

/// Decides which rules of a grammar are written out where they are used. Those that use themselves never are, the
/// others as long as the whole stays small: what is written out needs no stack, and tokens that cross its borders count
/// less.
class Inlining {
 public:
  explicit Inlining(const Grammar& grammar);

  [[nodiscard]] bool writes_out(uint32_t rule) const { return written_out_[rule]; }
  /// About how many states an expression becomes; saturates.
  int64_t size(const Expr& expression);

 private:
  void find_recursion();
  void choose();
  int64_t rule_size(uint32_t rule);
  int64_t count(const Expression& expression);

  const Grammar& grammar_;
  std::vector<char> recursive_;
  std::vector<char> written_out_;
  int64_t largest_ = 0;  // rule that is written out
  std::vector<int64_t> rule_sizes_;
  std::unordered_map<const Expression*, int64_t> sizes_;
};

/// Calls `each(rule)` for all rules that `expression` uses.
template <typename F>
void for_each_call(const Expr& expression, F&& each) {
  if (expression->kind == Expression::Kind::call) {
    each(expression->rule);
  }
  for (const auto& part : expression->parts) {
    for_each_call(part, each);
  }
  for (const auto& edge : expression->graph.edges) {
    for_each_call(edge.label, each);
  }
}

}  // namespace dstorch::text::constraint
