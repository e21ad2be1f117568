#include "text/constraint/network.h"

#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

#include "core/throw.h"
#include "text/constraint/effort.h"
#include "text/constraint/inlining.h"
#include "text/constraint/left_recursion.h"

namespace dstorch::text::constraint {
namespace {

constexpr std::size_t kMostNetworkStates = 400'000;
constexpr std::size_t kMostEdges = 2'000'000;
/// Copies of a part that are written out; more of them call it.
constexpr int64_t kMostCopies = 8;
constexpr int64_t kSmallPart = 3;

[[noreturn]] void fail_too_large() {
  fail(ErrorKind::unsupported,
       "the constraint is too large: it must have at most {} states and {} edges; use smaller counts",
       kMostNetworkStates, kMostEdges);
}

}  // namespace

/// Makes states with empty edges first (Thompson 1968), and takes these out at the end.
class NetworkBuilder {
 public:
  explicit NetworkBuilder(const Grammar& grammar) : grammar_(grammar), inlining_(grammar) {}

  Network build() {
    rule_of(grammar_.root);
    while (!unfinished_.empty()) {
      const auto [expression, start, end] = unfinished_.back();
      unfinished_.pop_back();
      add(expression, start, end);
    }
    remove_empty_edges();
    find_byte_classes();
    network_.unique_keys_ = grammar_.unique_keys;
    network_.has_chains_ = chains_ > 0;
    network_.narrow_keys_ = grammar_.narrow_keys;
    check_left_recursion(network_, names_);
    return std::move(network_);
  }

 private:
  struct Draft {
    std::vector<Network::ByteEdge> edges;
    std::vector<Network::CallEdge> calls;
    std::vector<uint32_t> empty;
    bool final = false;
    uint32_t chain = 0;
    uint32_t place = 0;
  };
  struct Unfinished {
    Expr expression;
    uint32_t start;
    uint32_t end;
  };

  uint32_t new_state() {
    if (drafts_.size() >= kMostNetworkStates) {
      fail_too_large();
    }
    spend(10);
    drafts_.emplace_back();
    return static_cast<uint32_t>(drafts_.size() - 1);
  }

  void count_edges(std::size_t count) {
    spend(static_cast<int64_t>(count));
    edges_ += count;
    if (edges_ > kMostEdges) {
      fail_too_large();
    }
  }

  // The number in the network of what is called for `expression`.
  uint32_t called(const Expr& expression, const std::string& name) {
    const auto [known, added] = called_.try_emplace(expression.get(), static_cast<uint32_t>(starts_.size()));
    if (added) {
      const auto start = new_state();
      const auto end = new_state();
      drafts_[end].final = true;
      starts_.push_back(start);
      names_.push_back(name);
      unfinished_.push_back({expression, start, end});
    }
    return known->second;
  }

  uint32_t rule_of(uint32_t rule) { return called(grammar_.rules[rule].body, grammar_.rules[rule].name); }

  void connect(uint32_t from, uint32_t to) {
    count_edges(1);
    drafts_[from].empty.push_back(to);
  }

  void add(const Expr& expression, uint32_t from, uint32_t to) {
    switch (expression->kind) {
      case Expression::Kind::never:
        return;
      case Expression::Kind::bytes:
        return add_bytes(*expression, from, to);
      case Expression::Kind::chars:
        return add_chars(*expression, from, to);
      case Expression::Kind::sequence:
        return add_sequence(*expression, from, to);
      case Expression::Kind::choice:
        for (const auto& part : expression->parts) {
          add(part, from, to);
        }
        return;
      case Expression::Kind::repeat:
        return add_repeat(*expression, from, to);
      case Expression::Kind::call:
        return add_call(expression->rule, from, to);
      case Expression::Kind::graph:
        return add_graph(expression->graph, from, to);
    }
  }

  void add_edge(uint32_t from, ByteRange range, int border, uint32_t to) {
    count_edges(1);
    drafts_[from].edges.push_back({range.first, range.last, static_cast<uint16_t>(border), to});
  }

  void add_bytes(const Expression& expression, uint32_t from, uint32_t to) {
    if (expression.bytes.empty()) {
      return connect(from, to);
    }
    for (std::size_t i = 0; i < expression.bytes.size(); ++i) {
      const auto next = i + 1 == expression.bytes.size() ? to : new_state();
      const auto byte = static_cast<uint8_t>(expression.bytes[i]);
      add_edge(from, {byte, byte}, i == 0 ? expression.border : 0, next);
      from = next;
    }
  }

  // Sequences of UTF-8 that end alike share the states of their ends.
  void add_chars(const Expression& expression, uint32_t from, uint32_t to) {
    std::map<std::vector<ByteRange>, uint32_t> ends;
    for (const auto& bytes : utf8_sequences(expression.chars)) {
      uint32_t target = to;
      for (std::size_t i = bytes.size() - 1; i > 0; --i) {
        const std::vector<ByteRange> rest(bytes.begin() + static_cast<std::ptrdiff_t>(i), bytes.end());
        auto known = ends.find(rest);
        if (known == ends.end()) {
          known = ends.emplace(rest, new_state()).first;
          add_edge(known->second, bytes[i], 0, target);
        }
        target = known->second;
      }
      add_edge(from, bytes.front(), 0, target);
    }
  }

  void add_sequence(const Expression& expression, uint32_t from, uint32_t to) {
    for (std::size_t i = 0; i < expression.parts.size(); ++i) {
      const auto next = i + 1 == expression.parts.size() ? to : new_state();
      add(expression.parts[i], from, next);
      from = next;
    }
    if (expression.parts.empty()) {
      connect(from, to);
    }
  }

  void add_part(const Expr& part, bool by_call, uint32_t from, uint32_t to) {
    if (by_call) {
      count_edges(1);
      const auto number = called(part, "a repeated part");  // makes states: not while one of them is held
      drafts_[from].calls.push_back({number, to});
    } else {
      add(part, from, to);
    }
  }

  void add_repeat(const Expression& expression, uint32_t from, uint32_t to) {
    const auto& part = expression.parts.front();
    const bool unbounded = expression.most == kUnbounded;
    const auto copies = unbounded ? expression.least : expression.most;
    const bool by_call = copies > kMostCopies && inlining_.size(part) > kSmallPart;
    for (int64_t i = 0; i < expression.least; ++i) {
      const auto next = new_state();
      add_part(part, by_call, from, next);
      from = next;
    }
    if (unbounded) {
      const auto again = new_state();
      const auto after = new_state();
      connect(from, again);
      add_part(part, by_call, again, after);
      connect(after, again);
      connect(again, to);
      return;
    }
    ++chains_;
    for (int64_t i = expression.least; i < expression.most; ++i) {
      connect(from, to);
      const auto next = new_state();
      drafts_[next].chain = chains_;
      drafts_[next].place = static_cast<uint32_t>(i);
      add_part(part, by_call, from, next);
      from = next;
    }
    connect(from, to);
  }

  void add_call(uint32_t rule, uint32_t from, uint32_t to) {
    if (inlining_.writes_out(rule)) {
      return add(grammar_.rules[rule].body, from, to);
    }
    count_edges(1);
    const auto number = rule_of(rule);
    drafts_[from].calls.push_back({number, to});
  }

  void add_graph(const Graph& graph, uint32_t from, uint32_t to) {
    std::vector<uint32_t> nodes(graph.nodes);
    for (uint32_t node = 0; node < graph.nodes; ++node) {
      nodes[node] = new_state();
    }
    connect(from, nodes[0]);
    for (const auto& edge : graph.edges) {
      add(edge.label, nodes[edge.from], nodes[edge.to]);
    }
    for (const auto node : graph.finals) {
      connect(nodes[node], to);
    }
  }

  // The states that something other than an empty edge leads to stay, with all that follows by empty edges.
  void remove_empty_edges() {
    std::vector<uint32_t> number(drafts_.size(), UINT32_MAX);
    std::vector<uint32_t> kept;
    const auto keep = [&](uint32_t draft) {
      if (number[draft] == UINT32_MAX) {
        number[draft] = static_cast<uint32_t>(kept.size());
        kept.push_back(draft);
      }
      return number[draft];
    };
    for (const auto start : starts_) {
      network_.starts_.push_back(keep(start));
    }
    std::vector<uint32_t> seen(drafts_.size(), UINT32_MAX);
    for (uint32_t i = 0; i < kept.size(); ++i) {
      Network::State state;
      state.chain = drafts_[kept[i]].chain;
      state.place = drafts_[kept[i]].place;
      state.first_edge = static_cast<uint32_t>(network_.edges_.size());
      state.first_call = static_cast<uint32_t>(network_.calls_.size());
      std::vector<uint32_t> open = {kept[i]};
      seen[kept[i]] = i;
      while (!open.empty()) {
        const auto& draft = drafts_[open.back()];
        open.pop_back();
        spend(1 + static_cast<int64_t>(draft.edges.size() + draft.calls.size() + draft.empty.size()));
        state.final = state.final || draft.final;
        for (auto edge : draft.edges) {
          edge.target = keep(edge.target);
          network_.edges_.push_back(edge);
        }
        for (auto edge : draft.calls) {
          edge.target = keep(edge.target);
          network_.calls_.push_back(edge);
        }
        for (const auto next : draft.empty) {
          if (seen[next] != i) {
            seen[next] = i;
            open.push_back(next);
          }
        }
      }
      finish_state(state);
    }
  }

  void finish_state(Network::State state) {
    auto& edges = network_.edges_;
    auto& calls = network_.calls_;
    std::sort(edges.begin() + state.first_edge, edges.end());
    edges.erase(std::unique(edges.begin() + state.first_edge, edges.end()), edges.end());
    std::sort(calls.begin() + state.first_call, calls.end());
    calls.erase(std::unique(calls.begin() + state.first_call, calls.end()), calls.end());
    if (edges.size() + calls.size() > kMostEdges) {
      fail_too_large();
    }
    state.last_edge = static_cast<uint32_t>(edges.size());
    state.last_call = static_cast<uint32_t>(calls.size());
    network_.states_.push_back(state);
  }

  void find_byte_classes() {
    std::array<bool, 257> begins{};
    for (const auto& edge : network_.edges_) {
      begins[edge.first] = true;
      begins[static_cast<std::size_t>(edge.last) + 1] = true;
    }
    uint8_t number = 0;
    for (std::size_t byte = 0; byte < 256; ++byte) {
      number = static_cast<uint8_t>(number + (byte > 0 && begins[byte] ? 1 : 0));
      network_.byte_class_[byte] = number;
    }
    network_.byte_classes_ = static_cast<uint32_t>(number) + 1;
  }

  const Grammar& grammar_;
  Inlining inlining_;
  std::vector<Draft> drafts_;
  std::size_t edges_ = 0;
  uint32_t chains_ = 0;
  std::vector<uint32_t> starts_;
  std::vector<std::string> names_;
  std::unordered_map<const Expression*, uint32_t> called_;
  std::vector<Unfinished> unfinished_;
  Network network_;
};

Network build_network(const Grammar& grammar) { return NetworkBuilder(grammar).build(); }

}  // namespace dstorch::text::constraint
