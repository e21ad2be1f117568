#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "text/constraint/byte_kinds.h"
#include "text/constraint/vocabulary.h"

namespace dstorch::text::constraint {

/// Tokens as a tree of kinds of bytes: those that differ only in bytes of one kind end at one node, so that it is found
/// once where all of them lead. Immutable.
class MergedTree {
 public:
  /// In the order of a walk that goes deep first; node 0 is the root.
  struct Node {
    uint32_t end = 0;  ///< Past the last node below it.
    uint32_t first_token = 0;
    uint32_t last_token = 0;  ///< Past the last one that ends here.
    int32_t set = -1;         ///< Which set of bits has its tokens, where they are many.
    uint16_t depth = 0;       ///< Bytes up to here.
    uint8_t byte = 0;         ///< One of its kind.

    [[nodiscard]] bool has_tokens() const noexcept { return first_token < last_token; }
  };

  /// Of the tokens of `tree`, a tree of the vocabulary, those of the bits `wanted` without bytes of kind kNowhere.
  MergedTree(const Vocabulary& vocabulary, const TokenTree& tree, const ByteKinds& kinds,
             std::span<const uint64_t> wanted);

  [[nodiscard]] const std::vector<Node>& nodes() const noexcept { return nodes_; }
  /// Sets the bits of the tokens that end at `node`.
  void add_tokens(const Node& node, std::span<uint64_t> bits) const;
  /// About the bytes it takes.
  [[nodiscard]] std::size_t memory() const noexcept;

 private:
  friend class TreeMerger;

  std::vector<Node> nodes_ = std::vector<Node>(1, Node{1});
  std::vector<uint32_t> tokens_;
  std::vector<std::vector<uint64_t>> sets_;
};

}  // namespace dstorch::text::constraint
