#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "text/piece.h"
#include "text/regex.h"
#include "text/vocab.h"

namespace dstorch::text {

/// A token that is looked for in the text before the model sees it.
struct AddedToken {
  int64_t id = 0;
  std::string content;
  /// Not within a word.
  bool single_word = false;
  /// Takes the white space before, or after, with it.
  bool lstrip = false;
  bool rstrip = false;
  /// Looked for in the normalized text, else in the text as it came.
  bool normalized = false;
  /// Controls the model; left out of decoded text when asked to.
  bool special = false;
};

/// Adds `more` to `tokens` and numbers them as Hugging Face's tokenizers does, whatever ids they came with: by the
/// vocabulary, else the next one that is free. One that is there already is not added again; it is special if either
/// is.
void add_tokens(std::vector<AddedToken>& tokens, std::vector<AddedToken> more, const Vocab& vocab);

/// Finds the added tokens of one kind (normalized or not) in a text: of those that begin first, the longest.
/// Immutable once filled.
class AddedTokenMatcher {
 public:
  /// `pattern`: what to look for, usually the token's content. Empty ones are ignored.
  void add(std::string_view pattern, const AddedToken& token);
  [[nodiscard]] bool empty() const noexcept { return tokens_.empty(); }

  struct Part {
    Span span;
    /// Null for the text between tokens.
    const AddedToken* token = nullptr;
  };
  /// Appends the parts of `text`. Special tokens are plain text unless `parse_special`, and where they begin at one of
  /// `plain_at`, which is in order.
  void find(std::string_view text, bool parse_special, std::span<const std::size_t> plain_at,
            std::vector<Part>& parts) const;

 private:
  struct Node {
    std::vector<std::pair<char, int>> children;
    int token = -1;
  };
  [[nodiscard]] int child(int node, char c) const;
  // The longest token that begins at `at`, and its end; -1 without one.
  int longest(std::string_view text, std::size_t at, std::size_t& end) const;

  std::vector<Node> nodes_ = std::vector<Node>(1);
  std::vector<AddedToken> tokens_;
  std::array<bool, 256> begins_{};
};

}  // namespace dstorch::text
