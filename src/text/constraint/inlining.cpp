#include "text/constraint/inlining.h"

#include <algorithm>
#include <array>

namespace dstorch::text::constraint {
namespace {

constexpr int64_t kHuge = int64_t{1} << 40U;
/// States that a grammar may have with its rules written out.
constexpr int64_t kMostInlinedStates = 8'000;

int64_t times(int64_t a, int64_t b) { return a != 0 && b > kHuge / a ? kHuge : std::min(kHuge, a * b); }

}  // namespace

Inlining::Inlining(const Grammar& grammar) : grammar_(grammar) {
  find_recursion();
  choose();
}

// A rule is recursive if it can be reached from itself: those that are in a cycle of calls (Tarjan 1972, with the stack
// of calls in a vector).
void Inlining::find_recursion() {
  const auto count = grammar_.rules.size();
  recursive_.assign(count, 0);
  std::vector<std::vector<uint32_t>> uses(count);
  for (std::size_t rule = 0; rule < count; ++rule) {
    for_each_call(grammar_.rules[rule].body, [&](uint32_t used) {
      uses[rule].push_back(used);
      recursive_[rule] = static_cast<char>(recursive_[rule] != 0 || used == rule);
    });
  }
  struct Visit {
    uint32_t rule;
    std::size_t next;
  };
  std::vector<uint32_t> index(count, 0);
  std::vector<uint32_t> low(count, 0);
  std::vector<char> open(count, 0);
  std::vector<uint32_t> component;
  std::vector<Visit> path;
  uint32_t visited = 0;
  const auto enter = [&](uint32_t rule) {
    index[rule] = low[rule] = ++visited;
    open[rule] = 1;
    component.push_back(rule);
    path.push_back({rule, 0});
  };
  for (uint32_t first = 0; first < count; ++first) {
    if (index[first] != 0) {
      continue;
    }
    enter(first);
    while (!path.empty()) {
      const auto rule = path.back().rule;
      if (path.back().next < uses[rule].size()) {
        const auto used = uses[rule][path.back().next++];
        if (index[used] == 0) {
          enter(used);
        } else if (open[used] != 0) {
          low[rule] = std::min(low[rule], index[used]);
        }
        continue;
      }
      path.pop_back();
      if (!path.empty()) {
        low[path.back().rule] = std::min(low[path.back().rule], low[rule]);
      }
      if (low[rule] == index[rule]) {
        const bool cycle = component.back() != rule;
        while (true) {
          const auto member = component.back();
          component.pop_back();
          open[member] = 0;
          recursive_[member] = static_cast<char>(recursive_[member] != 0 || cycle);
          if (member == rule) {
            break;
          }
        }
      }
    }
  }
}

void Inlining::choose() {
  for (const int64_t largest : std::array<int64_t, 5>{kMostInlinedStates, 2000, 200, 20, 0}) {
    largest_ = largest;
    sizes_.clear();
    rule_sizes_.assign(grammar_.rules.size(), -1);
    written_out_.assign(grammar_.rules.size(), 0);
    int64_t total = rule_size(grammar_.root);
    for (uint32_t rule = 0; rule < grammar_.rules.size(); ++rule) {
      const auto size = rule_size(rule);
      total += written_out_[rule] != 0 || rule == grammar_.root ? 0 : size;
    }
    if (total <= kMostInlinedStates) {
      return;
    }
  }
}

int64_t Inlining::rule_size(uint32_t rule) {
  if (rule_sizes_[rule] < 0) {
    rule_sizes_[rule] = 0;
    rule_sizes_[rule] = size(grammar_.rules[rule].body);
    written_out_[rule] = static_cast<char>(recursive_[rule] == 0 && rule_sizes_[rule] <= largest_);
  }
  return rule_sizes_[rule];
}

int64_t Inlining::size(const Expr& expression) {
  if (const auto known = sizes_.find(expression.get()); known != sizes_.end()) {
    return known->second;
  }
  const auto size = count(*expression);
  sizes_.emplace(expression.get(), size);
  return size;
}

int64_t Inlining::count(const Expression& expression) {
  int64_t total = 1;
  switch (expression.kind) {
    case Expression::Kind::bytes:
      return static_cast<int64_t>(expression.bytes.size()) + 1;
    case Expression::Kind::chars:
      return expression.chars.back().last < 0x80 ? 1 : static_cast<int64_t>(4 + expression.chars.size());
    case Expression::Kind::repeat: {
      const auto copies =
          expression.most == kUnbounded ? expression.least + 1 : std::max<int64_t>(expression.most, expression.least);
      return times(copies, size(expression.parts.front()));
    }
    case Expression::Kind::call: {
      const auto rule = expression.rule;
      const bool looked_at = recursive_[rule] != 0;
      return !looked_at && rule_size(rule) <= largest_ ? rule_size(rule) : 1;
    }
    default:
      for (const auto& part : expression.parts) {
        total = std::min(kHuge, total + size(part));
      }
      for (const auto& edge : expression.graph.edges) {
        total = std::min(kHuge, total + size(edge.label));
      }
      return total;
  }
}

}  // namespace dstorch::text::constraint
