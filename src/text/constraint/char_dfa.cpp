#include "text/constraint/char_dfa.h"

#include <algorithm>
#include <map>
#include <utility>

#include "core/throw.h"
#include "text/constraint/effort.h"
#include "text/utf8.h"

namespace dstorch::text::constraint {
namespace {

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

void fail_dfa_too_large(std::string_view where) {
  fail(ErrorKind::unsupported, "{} is too large, or too large together with what else is asked of the same text",
       where);
}

uint32_t CharDfa::target(uint32_t state, char32_t c) const {
  const auto& edges = states[state].edges;
  const auto edge =
      std::find_if(edges.begin(), edges.end(), [c](const auto& e) { return e.range.first <= c && c <= e.range.last; });
  return edge == edges.end() ? kNoState : edge->target;
}

bool CharDfa::accepts(std::string_view text) const {
  uint32_t state = 0;
  for (std::size_t at = 0; at < text.size();) {
    state = target(state, read_utf8(text, at));
    if (state == kNoState) {
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
      fail_dfa_too_large(where);
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
