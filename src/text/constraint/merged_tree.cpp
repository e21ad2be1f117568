#include "text/constraint/merged_tree.h"

#include <algorithm>

namespace dstorch::text::constraint {
namespace {

/// Words of bits that are set together in the time of setting one bit alone.
constexpr std::size_t kWordsABit = 4;
/// Children past which they are sorted by counting.
constexpr std::size_t kFewChildren = 48;

}  // namespace

/// Goes down all branches of a token tree at once that are of the same kinds of bytes.
class TreeMerger {
 public:
  TreeMerger(MergedTree& merged, const Vocabulary& vocabulary, const TokenTree& tree, const ByteKinds& kinds,
             std::span<const uint64_t> wanted)
      : merged_(merged),
        vocabulary_(vocabulary),
        tree_(tree.nodes()),
        kinds_(kinds),
        wanted_(wanted),
        levels_(tree.depth() + 2) {}

  void run() {
    const Child root{0, 0};
    look_below({&root, 1}, 1);
    for (std::size_t depth = 1; depth > 0;) {
      if (levels_[depth].next < levels_[depth].children.size()) {
        begin_node(depth);
        ++depth;
      } else if (--depth > 0) {
        end_node(depth);
      }
    }
    merged_.nodes_[0].end = static_cast<uint32_t>(merged_.nodes_.size());
    const auto words = (vocabulary_.size() + 63) / 64;
    for (auto& node : merged_.nodes_) {
      if (node.last_token - node.first_token > words / kWordsABit) {
        std::vector<uint64_t> bits(words, 0);
        merged_.add_tokens(node, bits);
        node.set = static_cast<int32_t>(merged_.sets_.size());
        merged_.sets_.push_back(std::move(bits));
      }
    }
  }

 private:
  struct Child {
    uint16_t kind;
    uint32_t node;  // of the token tree
  };

  /// Tokens may be long: what is under way is kept here, not on the thread's stack.
  struct Level {
    std::vector<Child> children;  // of the node above, those of one kind side by side
    std::size_t next = 0;         // the first that has no node yet
    std::size_t node = 0;         // under way
    std::size_t first_token = 0;  // of that node
  };

  /// What is below all of `parents`, which become one node, at `depth`.
  void look_below(std::span<const Child> parents, std::size_t depth) {
    auto& children = levels_[depth].children;
    children.clear();
    levels_[depth].next = 0;
    for (const auto& parent : parents) {
      for (auto child = parent.node + 1; child < tree_[parent.node].end; child = tree_[child].end) {
        if (const auto kind = kinds_.of[tree_[child].byte]; kind != ByteKinds::kNowhere) {
          children.push_back({kind, child});
        }
      }
    }
    sort_by_kind(children);
  }

  /// Makes one node of the next children that are of one kind.
  void begin_node(std::size_t depth) {
    auto& level = levels_[depth];
    const auto& children = level.children;
    const auto begin = level.next;
    while (level.next < children.size() && children[level.next].kind == children[begin].kind) {
      ++level.next;
    }
    const auto same = std::span<const Child>(children).subspan(begin, level.next - begin);
    auto& tokens = merged_.tokens_;
    level.node = merged_.nodes_.size();
    level.first_token = tokens.size();
    for (const auto& child : same) {
      for (auto token = tree_[child.node].token; token >= 0; token = vocabulary_.next_same(token)) {
        if ((wanted_[static_cast<std::size_t>(token) / 64] >> (static_cast<std::size_t>(token) % 64) & 1U) != 0) {
          tokens.push_back(static_cast<uint32_t>(token));
        }
      }
    }
    merged_.nodes_.push_back({0, static_cast<uint32_t>(level.first_token), static_cast<uint32_t>(tokens.size()), -1,
                              static_cast<uint16_t>(depth), tree_[same.front().node].byte});
    look_below(same, depth + 1);
  }

  /// Everything below the node is there.
  void end_node(std::size_t depth) {
    auto& nodes = merged_.nodes_;
    const auto& level = levels_[depth];
    if (merged_.tokens_.size() == level.first_token) {
      nodes.resize(level.node);  // none that is wanted is here or below
    } else {
      nodes[level.node].end = static_cast<uint32_t>(nodes.size());
    }
  }

  void sort_by_kind(std::vector<Child>& children) {
    const auto by_kind = [](const Child& a, const Child& b) { return a.kind < b.kind; };
    if (std::is_sorted(children.begin(), children.end(), by_kind)) {
      return;
    }
    if (children.size() <= kFewChildren) {
      std::sort(children.begin(), children.end(), by_kind);
      return;
    }
    std::vector<std::size_t> places(std::size_t{kinds_.count} + 1, 0);
    for (const auto& child : children) {
      ++places[child.kind + std::size_t{1}];
    }
    for (std::size_t kind = 1; kind < places.size(); ++kind) {
      places[kind] += places[kind - 1];
    }
    sorted_.resize(children.size());
    for (const auto& child : children) {
      sorted_[places[child.kind]++] = child;
    }
    children.assign(sorted_.begin(), sorted_.end());
  }

  MergedTree& merged_;
  const Vocabulary& vocabulary_;
  const std::vector<TokenTree::Node>& tree_;
  const ByteKinds& kinds_;
  std::span<const uint64_t> wanted_;
  std::vector<Level> levels_;  // by depth
  std::vector<Child> sorted_;
};

MergedTree::MergedTree(const Vocabulary& vocabulary, const TokenTree& tree, const ByteKinds& kinds,
                       std::span<const uint64_t> wanted) {
  TreeMerger(*this, vocabulary, tree, kinds, wanted).run();
}

void MergedTree::add_tokens(const Node& node, std::span<uint64_t> bits) const {
  if (node.set >= 0) {
    const auto& set = sets_[static_cast<std::size_t>(node.set)];
    for (std::size_t i = 0; i < bits.size(); ++i) {
      bits[i] |= set[i];
    }
    return;
  }
  for (auto i = node.first_token; i < node.last_token; ++i) {
    bits[tokens_[i] / 64] |= uint64_t{1} << (tokens_[i] % 64);
  }
}

std::size_t MergedTree::memory() const noexcept {
  std::size_t bytes = nodes_.size() * sizeof(Node) + tokens_.size() * sizeof(uint32_t);
  for (const auto& set : sets_) {
    bytes += set.size() * sizeof(uint64_t);
  }
  return bytes;
}

}  // namespace dstorch::text::constraint
