#include "text/constraint/distances.h"

#include <algorithm>
#include <queue>
#include <utility>

namespace dstorch::text::constraint {
namespace {

/// Edges with more bytes are free text.
constexpr int kNarrow = 4;
/// The bytes that are tried in free text: many vocabularies have tokens of several of one of them.
constexpr std::string_view kTried = " a0";
/// Steps of looking for the tokens of one state.
constexpr int64_t kMostSteps = 4000;
constexpr int64_t kMostUnsplittableSteps = 400'000;
/// Of looking for the tokens of all states; after that, single bytes are counted on alone.
constexpr int64_t kMostStepsInAll = 10'000'000;

struct Hop {
  uint32_t from;
  uint32_t to;
  Distance cost;
};

/// Finds the tokens that lead from state to state within a rule.
class Hops {
 public:
  Hops(const Network& network, const Vocabulary& vocabulary) : network_(network), vocabulary_(vocabulary) {}

  std::vector<Hop> find() {
    find_keys();
    for (uint32_t state = 0; state < network_.size(); ++state) {
      from_ = state;
      begin_ = hops_.size();
      single_bytes();
      if (in_key_[state] == 0) {
        look(kMostSteps, [&] { follow(0, state); });
      }
      if (vocabulary_.unsplittable().nodes().size() > 1) {
        look(kMostUnsplittableSteps, [&] { follow_all(0, state, 1); });
      }
      drop_repeated();
    }
    return std::move(hops_);
  }

 private:
  // The states within keys that must be new. A token of several bytes may be of a key that is there already: there the
  // way is counted in bytes.
  void find_keys() {
    in_key_.assign(network_.size(), 0);
    std::vector<uint32_t> open;
    const auto enter = [&](uint32_t state) {
      if (in_key_[state] == 0) {
        in_key_[state] = 1;
        open.push_back(state);
      }
    };
    for (uint32_t state = 0; state < network_.size(); ++state) {
      for (const auto& edge : network_.edges(state)) {
        if ((edge.border & key_begin) != 0) {
          enter(edge.target);
        }
      }
    }
    while (!open.empty()) {
      const auto state = open.back();
      open.pop_back();
      for (const auto& edge : network_.edges(state)) {
        if ((edge.border & key_end) == 0) {
          enter(edge.target);
        }
      }
      for (const auto& call : network_.calls(state)) {
        enter(call.target);
      }
    }
  }

  void single_bytes() {
    for (const auto& edge : network_.edges(from_)) {
      for (int byte = edge.first; byte <= edge.last; ++byte) {
        if (vocabulary_.has_byte(static_cast<uint8_t>(byte))) {
          hops_.push_back({from_, edge.target, 1U + (edge.border & key_reserve)});
          break;
        }
      }
    }
  }

  // Looks for tokens, for at most so many steps and what is left of all.
  template <typename Look>
  void look(int64_t most, Look for_tokens) {
    const int64_t given = std::min(most, left_);
    steps_ = given;
    for_tokens();
    left_ -= given - std::max<int64_t>(steps_, 0);
  }

  // Tokens along what is forced, up to where a key begins or ends.
  void follow(uint32_t node, uint32_t state) {
    const auto& tree = vocabulary_.all();
    const auto take = [&](const Network::ByteEdge& edge, uint8_t byte) {
      const auto next = tree.child(node, byte);
      if (next == 0 || --steps_ < 0) {
        return;
      }
      if (tree.nodes()[next].token >= 0) {
        hops_.push_back({from_, edge.target, 1});
      }
      if (tree.nodes()[next].end > next + 1) {
        follow(next, edge.target);
      }
    };
    for (const auto& edge : network_.edges(state)) {
      if (edge.border != 0) {
        continue;
      }
      if (edge.last - edge.first < kNarrow) {
        for (int byte = edge.first; byte <= edge.last; ++byte) {
          take(edge, static_cast<uint8_t>(byte));
        }
        continue;
      }
      for (const char c : kTried) {
        const auto byte = static_cast<uint8_t>(c);
        if (edge.first <= byte && byte <= edge.last) {
          take(edge, byte);
        }
      }
    }
  }

  // Tokens that are nothing but themselves, along everything.
  void follow_all(uint32_t node, uint32_t state, Distance cost) {
    const auto& nodes = vocabulary_.unsplittable().nodes();
    for (uint32_t next = node + 1; next < nodes[node].end; next = nodes[next].end) {
      for (const auto& edge : network_.edges(state)) {
        if (nodes[next].byte < edge.first || nodes[next].byte > edge.last || --steps_ < 0) {
          continue;
        }
        if (nodes[next].token >= 0) {
          hops_.push_back({from_, edge.target, cost + (edge.border & key_reserve)});
        }
        follow_all(next, edge.target, cost + (edge.border & key_reserve));
      }
    }
  }

  void drop_repeated() {
    const auto begin = hops_.begin() + static_cast<std::ptrdiff_t>(begin_);
    std::sort(begin, hops_.end(),
              [](const Hop& a, const Hop& b) { return a.to != b.to ? a.to < b.to : a.cost < b.cost; });
    hops_.erase(std::unique(begin, hops_.end(), [](const Hop& a, const Hop& b) { return a.to == b.to; }), hops_.end());
  }

  const Network& network_;
  const Vocabulary& vocabulary_;
  std::vector<char> in_key_;
  std::vector<Hop> hops_;
  uint32_t from_ = 0;
  std::size_t begin_ = 0;
  int64_t steps_ = 0;  // that the present state may still take
  int64_t left_ = kMostStepsInAll;
};

// Things by the state they belong to.
template <typename T>
class ByState {
 public:
  template <typename Key>
  ByState(uint32_t states, const std::vector<T>& things, Key key) : begins_(states + 1, 0), things_(things.size()) {
    for (const auto& thing : things) {
      ++begins_[key(thing) + 1];
    }
    for (uint32_t state = 0; state < states; ++state) {
      begins_[state + 1] += begins_[state];
    }
    auto next = begins_;
    for (const auto& thing : things) {
      things_[next[key(thing)]++] = thing;
    }
  }
  [[nodiscard]] std::span<const T> of(uint32_t state) const {
    return std::span<const T>(things_).subspan(begins_[state], begins_[state + 1] - begins_[state]);
  }

 private:
  std::vector<std::size_t> begins_;
  std::vector<T> things_;
};

struct Call {
  uint32_t from;
  uint32_t start;  // of what is called
  uint32_t target;
};

std::vector<Call> calls_of(const Network& network) {
  std::vector<Call> calls;
  for (uint32_t state = 0; state < network.size(); ++state) {
    for (const auto& edge : network.calls(state)) {
      calls.push_back({state, network.start(edge.rule), edge.target});
    }
  }
  return calls;
}

}  // namespace

// Dijkstra's algorithm, from the ends backwards; through a call it is the way through the rule and then on (Knuth
// 1977).
std::vector<Distance> find_distances(const Network& network, const Vocabulary& vocabulary) {
  const auto states = network.size();
  const ByState<Hop> hops(states, Hops(network, vocabulary).find(), [](const Hop& hop) { return hop.to; });
  const auto all_calls = calls_of(network);
  const ByState<Call> by_target(states, all_calls, [](const Call& c) { return c.target; });
  const ByState<Call> by_start(states, all_calls, [](const Call& c) { return c.start; });

  std::vector<Distance> found(states, kNoWay);
  std::vector<char> settled(states, 0);
  using Entry = std::pair<Distance, uint32_t>;
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> open;
  const auto reach = [&](uint32_t state, Distance distance) {
    if (distance < found[state]) {
      found[state] = distance;
      open.emplace(distance, state);
    }
  };
  const auto try_call = [&](const Call& call) {
    if (settled[call.start] != 0 && settled[call.target] != 0) {
      reach(call.from, std::min(kNoWay, found[call.start] + found[call.target]));
    }
  };
  for (uint32_t state = 0; state < states; ++state) {
    if (network.final(state)) {
      reach(state, 0);
    }
  }
  while (!open.empty()) {
    const auto [distance, state] = open.top();
    open.pop();
    if (settled[state] != 0) {
      continue;
    }
    settled[state] = 1;
    for (const auto& hop : hops.of(state)) {
      reach(hop.from, std::min(kNoWay, distance + hop.cost));
    }
    for (const auto& call : by_target.of(state)) {
      try_call(call);
    }
    for (const auto& call : by_start.of(state)) {
      try_call(call);
    }
  }
  return found;
}

}  // namespace dstorch::text::constraint
