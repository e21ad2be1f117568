// From expressions to automata over characters.
#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "text/constraint/char_dfa.h"
#include "text/constraint/effort.h"
#include "text/utf8.h"

namespace dstorch::text::constraint {
namespace {

constexpr std::size_t kMostNodes = 50'000;
constexpr std::size_t kMostDfaWork = 4'000'000;

/// An automaton with empty edges (Thompson 1968), and its sets of nodes (Rabin and Scott 1959).
class Determinizer {
 public:
  Determinizer(const Expr& expression, std::string_view where) : where_(where) {
    const auto start = new_node();
    end_ = new_node();
    add(expression, start, end_);
    start_ = start;
  }

  CharDfa run() {
    CharDfa dfa;
    dfa.states.clear();
    std::map<std::vector<uint32_t>, uint32_t> known;
    std::vector<std::vector<uint32_t>> sets;
    const auto number_of = [&](std::vector<uint32_t> set) {
      const auto [found, added] = known.try_emplace(set, static_cast<uint32_t>(sets.size()));
      if (added) {
        if (sets.size() >= kMostDfaStates) {
          fail_dfa_too_large(where_);
        }
        dfa.states.push_back({{}, std::binary_search(set.begin(), set.end(), end_)});
        sets.push_back(std::move(set));
      }
      return found->second;
    };
    number_of(closure({start_}));
    for (uint32_t at = 0; at < sets.size(); ++at) {
      for (auto& [range, targets] : cut(sets[at])) {
        const auto target = number_of(closure(std::move(targets)));
        auto& edges = dfa.states[at].edges;
        if (!edges.empty() && edges.back().target == target && edges.back().range.last + 1 == range.first) {
          edges.back().range.last = range.last;
        } else {
          edges.push_back({range, target});
        }
      }
    }
    return dfa;
  }

 private:
  struct Node {
    std::vector<std::pair<CodeRange, uint32_t>> edges;
    std::vector<uint32_t> empty;
  };

  uint32_t new_node() {
    if (nodes_.size() >= kMostNodes) {
      fail_dfa_too_large(where_);
    }
    nodes_.emplace_back();
    return static_cast<uint32_t>(nodes_.size() - 1);
  }

  void add(const Expr& expression, uint32_t from, uint32_t to) {
    switch (expression->kind) {
      case Expression::Kind::bytes: {
        const std::string_view text = expression->bytes;
        for (std::size_t at = 0; at < text.size();) {
          const char32_t c = read_utf8(text, at);
          const auto next = at == text.size() ? to : new_node();
          nodes_[from].edges.push_back({{c, c}, next});
          from = next;
        }
        if (text.empty()) {
          nodes_[from].empty.push_back(to);
        }
        return;
      }
      case Expression::Kind::chars:
        for (const auto& range : expression->chars) {
          nodes_[from].edges.emplace_back(range, to);
        }
        return;
      case Expression::Kind::sequence:
        for (const auto& part : expression->parts) {
          const auto next = new_node();
          add(part, from, next);
          from = next;
        }
        nodes_[from].empty.push_back(to);
        return;
      case Expression::Kind::choice:
        for (const auto& part : expression->parts) {
          add(part, from, to);
        }
        return;
      case Expression::Kind::repeat:
        return add_repeat(*expression, from, to);
      default:
        return;
    }
  }

  void add_repeat(const Expression& expression, uint32_t from, uint32_t to) {
    const auto& part = expression.parts.front();
    const auto again = [&] {
      const auto next = new_node();
      add(part, from, next);
      from = next;
    };
    for (int64_t i = 0; i < expression.least; ++i) {
      again();
    }
    if (expression.most == kUnbounded) {
      const auto loop = new_node();
      nodes_[from].empty.push_back(loop);
      add(part, loop, loop);
      nodes_[loop].empty.push_back(to);
      return;
    }
    for (int64_t i = expression.least; i < expression.most; ++i) {
      nodes_[from].empty.push_back(to);
      again();
    }
    nodes_[from].empty.push_back(to);
  }

  std::vector<uint32_t> closure(std::vector<uint32_t> open) {
    std::set<uint32_t> seen(open.begin(), open.end());
    while (!open.empty()) {
      const auto node = open.back();
      open.pop_back();
      for (const auto next : nodes_[node].empty) {
        if (seen.insert(next).second) {
          open.push_back(next);
        }
      }
    }
    work_ += seen.size();
    spend(6 * static_cast<int64_t>(seen.size()));
    if (work_ > kMostDfaWork) {
      fail_dfa_too_large(where_);
    }
    return {seen.begin(), seen.end()};
  }

  // The edges of a set of nodes, cut where one begins or ends.
  std::vector<std::pair<CodeRange, std::vector<uint32_t>>> cut(const std::vector<uint32_t>& set) {
    std::vector<std::pair<CodeRange, uint32_t>> edges;
    std::set<char32_t> begins;
    for (const auto node : set) {
      for (const auto& edge : nodes_[node].edges) {
        edges.push_back(edge);
        begins.insert(edge.first.first);
        begins.insert(edge.first.last + 1);
      }
    }
    work_ += edges.size() * (1 + begins.size() / 8);
    spend(static_cast<int64_t>(edges.size() * (10 + begins.size() / 4)));
    std::vector<std::pair<CodeRange, std::vector<uint32_t>>> cut;
    for (auto begin = begins.begin(); begin != begins.end() && std::next(begin) != begins.end(); ++begin) {
      const CodeRange range{*begin, *std::next(begin) - 1};
      std::vector<uint32_t> targets;
      for (const auto& [whole, target] : edges) {
        if (whole.first <= range.first && range.last <= whole.last) {
          targets.push_back(target);
        }
      }
      if (!targets.empty()) {
        cut.emplace_back(range, std::move(targets));
      }
    }
    return cut;
  }

  std::string_view where_;
  std::vector<Node> nodes_;
  uint32_t start_ = 0;
  uint32_t end_ = 0;
  std::size_t work_ = 0;
};

}  // namespace

CharDfa make_dfa(const Expr& expression, std::string_view where) {
  return trimmed(Determinizer(expression, where).run());
}

// With the beginning and the end of the text as characters of it, `^` and `$` are characters of the pattern.
CharDfa find_dfa(const Expr& pattern, std::string_view where) {
  const auto any = repeat(chars(any_char()), 0, kUnbounded);
  const auto whole = sequence({optional(sequence({chars({{kTextBegin, kTextBegin}}), any})), pattern,
                               optional(sequence({any, chars({{kTextEnd, kTextEnd}})}))});
  auto dfa = Determinizer(whole, where).run();
  // A pattern that does not say where the text begins is found after its beginning, too.
  const auto start = dfa.target(0, kTextBegin);
  std::vector<char> ends(dfa.states.size(), 0);
  for (uint32_t state = 0; state < dfa.states.size(); ++state) {
    const auto end = dfa.target(state, kTextEnd);
    ends[state] = static_cast<char>(end != CharDfa::kNoState && dfa.states[end].accepts);
  }
  for (uint32_t state = 0; state < dfa.states.size(); ++state) {
    dfa.states[state].accepts = ends[state] != 0;
    std::erase_if(dfa.states[state].edges, [](const auto& edge) { return edge.range.first >= kTextBegin; });
  }
  if (start == CharDfa::kNoState) {
    return {};
  }
  dfa.states[0] = CharDfa::State(dfa.states[start]);  // nothing leads to before the text
  return trimmed(dfa);
}

}  // namespace dstorch::text::constraint
