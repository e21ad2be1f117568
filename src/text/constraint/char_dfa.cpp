#include "text/constraint/char_dfa.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "core/throw.h"
#include "text/constraint/effort.h"
#include "text/utf8.h"

namespace dstorch::text::constraint {
namespace {

constexpr std::size_t kMostNodes = 50'000;
constexpr std::size_t kMostDfaWork = 4'000'000;

[[noreturn]] void fail_too_large(std::string_view where) {
  fail(ErrorKind::unsupported, "{} is too large, or too large together with what else is asked of the same text",
       where);
}

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
          fail_too_large(where_);
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
      fail_too_large(where_);
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
      fail_too_large(where_);
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

// Without the states from which nothing is accepted, and those that nothing leads to.
CharDfa trimmed(const CharDfa& dfa) {
  const auto count = dfa.states.size();
  std::vector<std::vector<uint32_t>> sources(count);
  std::vector<char> useful(count, 0);
  std::vector<uint32_t> open;
  spend(10 * static_cast<int64_t>(count));
  for (uint32_t state = 0; state < count; ++state) {
    for (const auto& edge : dfa.states[state].edges) {
      sources[edge.target].push_back(state);
    }
    if (dfa.states[state].accepts) {
      useful[state] = 1;
      open.push_back(state);
    }
  }
  while (!open.empty()) {
    const auto state = open.back();
    open.pop_back();
    for (const auto source : sources[state]) {
      if (useful[source] == 0) {
        useful[source] = 1;
        open.push_back(source);
      }
    }
  }
  std::vector<uint32_t> number(count, UINT32_MAX);
  std::vector<uint32_t> kept = {0};
  number[0] = 0;
  CharDfa trimmed;
  trimmed.states.clear();
  for (std::size_t i = 0; i < kept.size(); ++i) {
    CharDfa::State state;
    state.accepts = dfa.states[kept[i]].accepts;
    for (const auto& edge : dfa.states[kept[i]].edges) {
      if (useful[edge.target] == 0) {
        continue;
      }
      if (number[edge.target] == UINT32_MAX) {
        number[edge.target] = static_cast<uint32_t>(kept.size());
        kept.push_back(edge.target);
      }
      state.edges.push_back({edge.range, number[edge.target]});
    }
    trimmed.states.push_back(std::move(state));
  }
  return trimmed;
}

uint32_t target_of(const CharDfa::State& state, char32_t c) {
  const auto edge = std::find_if(state.edges.begin(), state.edges.end(),
                                 [c](const auto& e) { return e.range.first <= c && c <= e.range.last; });
  return edge == state.edges.end() ? UINT32_MAX : edge->target;
}

bool collect(const CharDfa& dfa, uint32_t state, std::string& text, std::size_t most, std::vector<std::string>& out) {
  if (dfa.states[state].accepts) {
    if (out.size() == most) {
      return false;
    }
    out.push_back(text);
  }
  const auto length = text.size();
  for (const auto& edge : dfa.states[state].edges) {
    for (char32_t c = edge.range.first; c <= edge.range.last; ++c) {
      append_utf8(text, c);
      if (!collect(dfa, edge.target, text, most, out)) {
        return false;
      }
      text.resize(length);
    }
  }
  return true;
}

}  // namespace

bool CharDfa::accepts(std::string_view text) const {
  uint32_t state = 0;
  for (std::size_t at = 0; at < text.size();) {
    state = target_of(states[state], read_utf8(text, at));
    if (state == UINT32_MAX) {
      return false;
    }
  }
  return states[state].accepts;
}

// Every state leads to the end, so any circle makes it infinite: take away what nothing leads to until nothing is left.
bool CharDfa::infinite() const {
  std::vector<uint32_t> sources(states.size(), 0);
  for (const auto& state : states) {
    for (const auto& edge : state.edges) {
      ++sources[edge.target];
    }
  }
  std::vector<uint32_t> open;
  for (uint32_t state = 0; state < states.size(); ++state) {
    if (sources[state] == 0) {
      open.push_back(state);
    }
  }
  std::size_t taken = 0;
  for (; taken < open.size(); ++taken) {
    for (const auto& edge : states[open[taken]].edges) {
      if (--sources[edge.target] == 0) {
        open.push_back(edge.target);
      }
    }
  }
  return taken < states.size();
}

std::optional<std::vector<std::string>> CharDfa::texts(std::size_t most) const {
  if (infinite()) {
    return std::nullopt;
  }
  std::vector<std::string> texts;
  std::string text;
  return collect(*this, 0, text, most, texts) ? std::optional(std::move(texts)) : std::nullopt;
}

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
  const auto start = target_of(dfa.states[0], kTextBegin);
  std::vector<char> ends(dfa.states.size(), 0);
  for (std::size_t state = 0; state < dfa.states.size(); ++state) {
    const auto end = target_of(dfa.states[state], kTextEnd);
    ends[state] = static_cast<char>(end != UINT32_MAX && dfa.states[end].accepts);
  }
  for (std::size_t state = 0; state < dfa.states.size(); ++state) {
    dfa.states[state].accepts = ends[state] != 0;
    std::erase_if(dfa.states[state].edges, [](const auto& edge) { return edge.range.first >= kTextBegin; });
  }
  if (start == UINT32_MAX) {
    return {};
  }
  dfa.states[0] = CharDfa::State(dfa.states[start]);  // nothing leads to before the text
  return trimmed(dfa);
}

CharDfa intersect(const CharDfa& a, const CharDfa& b, std::string_view where) {
  using Pair = std::pair<uint32_t, uint32_t>;
  std::map<Pair, uint32_t> known = {{{0, 0}, 0}};
  std::vector<Pair> pairs = {{0, 0}};
  CharDfa both;
  both.states.clear();
  for (std::size_t at = 0; at < pairs.size(); ++at) {
    const auto [in_a, in_b] = pairs[at];
    const auto& first = a.states[in_a];
    const auto& second = b.states[in_b];
    CharDfa::State state;
    state.accepts = first.accepts && second.accepts;
    for (std::size_t i = 0, j = 0; i < first.edges.size() && j < second.edges.size();) {
      const auto& x = first.edges[i];
      const auto& y = second.edges[j];
      const CodeRange range{std::max(x.range.first, y.range.first), std::min(x.range.last, y.range.last)};
      spend(2);
      if (range.first <= range.last) {
        spend(10);
        const auto [found, added] = known.try_emplace({x.target, y.target}, static_cast<uint32_t>(known.size()));
        if (added) {
          pairs.push_back(found->first);
        }
        state.edges.push_back({range, found->second});
      }
      if (x.range.last < y.range.last) {
        ++i;
      } else {
        ++j;
      }
    }
    if (pairs.size() > kMostDfaStates) {
      fail_too_large(where);
    }
    both.states.push_back(std::move(state));
  }
  return trimmed(both);
}

CharDfa complement(const CharDfa& dfa) {
  CharDfa other = dfa;
  const auto rest = static_cast<uint32_t>(other.states.size());
  other.states.emplace_back();
  for (auto& state : other.states) {
    state.accepts = !state.accepts;
    std::vector<CodeRange> taken;
    for (const auto& edge : state.edges) {
      taken.push_back(edge.range);
    }
    for (const auto& range : negate(make_class(std::move(taken)))) {
      state.edges.push_back({range, rest});
    }
    std::sort(state.edges.begin(), state.edges.end(),
              [](const auto& a, const auto& b) { return a.range.first < b.range.first; });
  }
  return trimmed(other);
}

CharDfa length_dfa(int64_t least, int64_t most) {
  const bool unbounded = most == kUnbounded;
  const auto last = static_cast<std::size_t>(unbounded ? least : most);
  CharDfa dfa;
  spend(10 * static_cast<int64_t>(last));
  dfa.states.resize(last + 1);
  for (std::size_t i = 0; i <= last; ++i) {
    dfa.states[i].accepts = static_cast<int64_t>(i) >= least;
    if (i < last || unbounded) {
      for (const auto& range : any_char()) {
        dfa.states[i].edges.push_back({range, static_cast<uint32_t>(std::min(i + 1, last))});
      }
    }
  }
  return dfa;
}

}  // namespace dstorch::text::constraint
