#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dstorch/tokenizer.h"

namespace dstorch::text::constraint {

/// Tokens as a tree of bytes, in the order in which a walk that goes deep first meets its nodes. Node 0 is the root.
class TokenTree {
 public:
  struct Node {
    uint32_t end = 0;    ///< Past the last node below it.
    int32_t token = -1;  ///< The first token that ends here; see `Vocabulary::next_same`.
    uint16_t depth = 0;  ///< Bytes up to here.
    uint8_t byte = 0;
    bool more = false;  ///< Other tokens have the same bytes.

    [[nodiscard]] bool has_tokens() const noexcept { return token >= 0; }
  };

  TokenTree() = default;
  /// `sorted`: ids, by their bytes; of equal ones the first is kept, and that there are more.
  TokenTree(std::span<const std::string> tokens, std::span<const uint32_t> sorted);

  [[nodiscard]] const std::vector<Node>& nodes() const noexcept { return nodes_; }
  /// The node that `byte` leads to; 0 when there is none.
  [[nodiscard]] uint32_t child(uint32_t node, uint8_t byte) const noexcept;
  /// Bytes of the longest token.
  [[nodiscard]] std::size_t depth() const noexcept { return depth_; }

 private:
  std::vector<Node> nodes_ = std::vector<Node>(1, Node{1, -1, 0, 0, false});
  std::size_t depth_ = 0;
};

/// What constraints have to know of a vocabulary: the bytes of its tokens, in trees. Made once for a tokenizer.
/// Immutable.
class Vocabulary {
 public:
  /// Characters up to which tokens of plain text are in one group: those a JSON string may hold as they are.
  static constexpr std::array<std::size_t, 15> kPlainGroups = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 16, 24, 32};

  /// The bytes of each token; empty for those that never are in an answer.
  explicit Vocabulary(std::vector<std::string> tokens);
  /// One token for each byte, its id the byte.
  static const Vocabulary& bytes();

  [[nodiscard]] std::size_t size() const noexcept { return tokens_.size(); }
  [[nodiscard]] std::string_view token(std::size_t id) const noexcept {
    return id < tokens_.size() ? std::string_view(tokens_[id]) : std::string_view();
  }
  /// The next token with the same bytes as `token`, or -1.
  [[nodiscard]] int32_t next_same(int32_t token) const noexcept { return next_same_[static_cast<std::size_t>(token)]; }

  [[nodiscard]] const TokenTree& all() const noexcept { return all_; }

  /// Tokens of whole plain characters, so many of them.
  struct PlainGroup {
    std::size_t least_chars = 0;
    std::size_t most_chars = 0;
    TokenTree tree;
    std::vector<uint64_t> bits;  ///< one bit a token
  };
  [[nodiscard]] const std::vector<PlainGroup>& plain_groups() const noexcept { return plain_; }
  /// All that is in no group.
  [[nodiscard]] const TokenTree& others() const noexcept { return others_; }
  /// Tokens with at least two `"`: those that may hold a whole key.
  [[nodiscard]] const TokenTree& quoted() const noexcept { return quoted_; }

  /// Whether the byte is a token by itself.
  [[nodiscard]] bool has_byte(uint8_t byte) const noexcept { return single_[byte]; }
  /// Tokens that cannot be put together from others, single bytes apart. None in vocabularies that have all bytes.
  [[nodiscard]] const TokenTree& unsplittable() const noexcept { return unsplittable_; }

 private:
  [[nodiscard]] bool can_be_split(std::string_view token) const;

  std::vector<std::string> tokens_;
  std::vector<int32_t> next_same_;
  TokenTree all_;
  std::vector<PlainGroup> plain_;
  TokenTree others_;
  TokenTree quoted_;
  std::bitset<256> single_;
  TokenTree unsplittable_;
};

/// Whether a JSON string may hold the byte as it is, alone or within a character of several.
constexpr bool is_plain(uint8_t byte) noexcept { return byte >= 0x20 && byte != '"' && byte != '\\'; }

/// The bytes of each token of a tokenizer.
std::vector<std::string> bytes_of_tokens(const Tokenizer& tokenizer);

/// Characters of a text that a JSON string may hold as they are; -1 for any other, an unfinished character included.
int plain_chars(std::string_view text) noexcept;

}  // namespace dstorch::text::constraint
