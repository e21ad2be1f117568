#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dstorch::text {

/// Watches a text that comes in pieces for stop strings, which may begin in one piece and end in a later one. Releases
/// text as soon as it can be no part of a stop string. Time is linear in the text (Aho, Corasick 1975). One thread.
class StopMatcher {
 public:
  /// Empty stop strings are ignored.
  explicit StopMatcher(std::vector<std::string> stops);

  struct Result {
    /// What is safe to show. The stop string and what follows it never are.
    std::string text;
    /// The stop string that is complete first; of several that end there, the longest.
    std::optional<std::string> stop;
  };

  /// After a stop string was found, every piece is dropped, until `reset`.
  Result push(std::string_view piece);
  /// What was held back because it could have begun a stop string.
  std::string finish();
  /// Forgets everything but the stop strings.
  void reset();

  [[nodiscard]] bool stopped() const noexcept { return stopped_; }

 private:
  // A state of the automaton is a prefix of some stop string: the longest one that the text seen so far ends with.
  struct Node {
    std::vector<std::pair<char, int>> children;
    int fail = 0;
    std::size_t depth = 0;
    // Length and index of the longest stop string the node's text ends with.
    std::size_t match_length = 0;
    std::size_t match_index = 0;
  };

  [[nodiscard]] int child(int node, char c) const;
  [[nodiscard]] int step(int node, char c) const;

  std::vector<std::string> stops_;
  std::vector<Node> nodes_;
  int state_ = 0;
  std::string held_;
  bool stopped_ = false;
};

}  // namespace dstorch::text
