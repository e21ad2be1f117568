#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "text/constraint/expression.h"

namespace dstorch::text::constraint {

/// A grammar as automata over bytes that call each other: one for each rule that is not written out where it is used.
/// Without empty edges. Immutable.
class Network {
 public:
  struct ByteEdge {
    uint8_t first = 0;
    uint8_t last = 0;
    uint16_t border = 0;  ///< See KeyBorder.
    uint32_t target = 0;
    auto operator<=>(const ByteEdge&) const = default;  // NOLINT(modernize-use-nullptr)
  };
  /// Goes through `rule`, then on in `target`.
  struct CallEdge {
    uint32_t rule = 0;
    uint32_t target = 0;
    auto operator<=>(const CallEdge&) const = default;  // NOLINT(modernize-use-nullptr)
  };
  struct State {
    uint32_t first_edge = 0;
    uint32_t last_edge = 0;  ///< past the last one
    uint32_t first_call = 0;
    uint32_t last_call = 0;
    bool final = false;  ///< Its rule may end here.
    uint32_t chain = 0;  ///< See `chain`.
    uint32_t place = 0;
  };

  [[nodiscard]] uint32_t size() const noexcept { return static_cast<uint32_t>(states_.size()); }
  [[nodiscard]] std::span<const ByteEdge> edges(uint32_t state) const noexcept {
    return std::span(edges_).subspan(states_[state].first_edge, states_[state].last_edge - states_[state].first_edge);
  }
  [[nodiscard]] std::span<const CallEdge> calls(uint32_t state) const noexcept {
    return std::span(calls_).subspan(states_[state].first_call, states_[state].last_call - states_[state].first_call);
  }
  [[nodiscard]] bool final(uint32_t state) const noexcept { return states_[state].final; }
  /// Nothing is left to do in its rule.
  [[nodiscard]] bool at_end(uint32_t state) const noexcept {
    const auto& s = states_[state];
    return s.final && s.first_edge == s.last_edge && s.first_call == s.last_call;
  }
  /// States between parts that may each be left out, as in `a{0,9}`, are a chain: what can be done from one of them can
  /// be done from those of earlier places too. 0 for states in none.
  [[nodiscard]] uint32_t chain(uint32_t state) const noexcept { return states_[state].chain; }
  [[nodiscard]] uint32_t place(uint32_t state) const noexcept { return states_[state].place; }
  [[nodiscard]] bool has_chains() const noexcept { return has_chains_; }
  [[nodiscard]] uint32_t rules() const noexcept { return static_cast<uint32_t>(starts_.size()); }
  /// The first state of a rule; rule 0 is the whole text.
  [[nodiscard]] uint32_t start(uint32_t rule) const noexcept { return starts_[rule]; }

  /// Bytes of one class take the same edges everywhere.
  [[nodiscard]] uint32_t byte_class(uint8_t byte) const noexcept { return byte_class_[byte]; }
  [[nodiscard]] uint32_t byte_classes() const noexcept { return byte_classes_; }

  /// See Grammar.
  [[nodiscard]] bool unique_keys() const noexcept { return unique_keys_; }
  [[nodiscard]] bool narrow_keys() const noexcept { return narrow_keys_; }

 private:
  friend class NetworkBuilder;
  std::vector<State> states_;
  std::vector<ByteEdge> edges_;
  std::vector<CallEdge> calls_;
  std::vector<uint32_t> starts_;
  std::array<uint8_t, 256> byte_class_{};
  uint32_t byte_classes_ = 0;
  bool unique_keys_ = false;
  bool narrow_keys_ = false;
  bool has_chains_ = false;
};

/// Throws LMError: unsupported for a grammar that becomes too large, or in which a rule begins with itself, naming it.
Network build_network(const Grammar& grammar);

}  // namespace dstorch::text::constraint
