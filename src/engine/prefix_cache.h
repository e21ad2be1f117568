#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "nn/adapter.h"
#include "nn/kv_pool.h"

namespace dstorch::engine {

/// Remembers the keys and values of sequences, so that later sequences with the same beginning and the same adapter
/// need not compute them. A tree: a node stands for 64 tokens (a page in every group of layers) and its parent for the
/// 64 tokens before; a node whose page is not full has no children. The cache shares ownership of its pages with
/// sequences and never writes to them. For one thread, except `counts`.
class PrefixCache {
 public:
  explicit PrefixCache(nn::KvPool& pool) : pool_(pool) {}
  ~PrefixCache() { clear(); }
  PrefixCache(const PrefixCache&) = delete;
  PrefixCache& operator=(const PrefixCache&) = delete;

  using Adapter = std::shared_ptr<const nn::Adapter>;

  /// What the cache has of a sequence's beginning.
  struct Found {
    int64_t positions = 0;
    /// By group, as `SequencePages::adopt` takes them: the pages that positions from `positions` on can see.
    std::vector<std::vector<nn::PageRef>> pages;
    /// Whether the last pages are not full or go on with other tokens, so that a sequence that writes on from here
    /// needs copies of them.
    bool ends_within_page = false;
  };
  /// Finds the longest beginning of `tokens` for which all pages are there that later positions can see.
  [[nodiscard]] Found find(std::span<const int64_t> tokens, const Adapter& adapter);
  /// Replaces the last pages by copies where the sequence would write to them and others hold them too.
  /// `make_room(bytes)` is called before that many bytes are taken.
  void make_own(Found& found, const std::function<void(int64_t)>& make_room);
  /// Remembers the pages of `tokens`. All of these must have gone through the model.
  void put(std::span<const int64_t> tokens, const Adapter& adapter, const nn::SequencePages& pages);

  /// Drops the least recently used node without children; false when the cache is empty.
  bool drop_oldest();
  void clear();

  // Counters that any thread may read.
  struct Counts {
    std::atomic<int64_t> pages{0};  ///< held by the cache, whether or not sequences hold them too
    std::atomic<int64_t> bytes{0};
    std::atomic<int64_t> tokens_asked{0};
    std::atomic<int64_t> tokens_found{0};
  };
  [[nodiscard]] const Counts& counts() const noexcept { return counts_; }
  /// Counts a sequence of `asked` tokens that found `found` of them.
  void count(int64_t asked, int64_t found) noexcept;

 private:
  struct Node;
  struct ByTokens {
    using is_transparent = void;
    bool operator()(std::span<const int64_t> a, std::span<const int64_t> b) const;
  };
  /// Children by their tokens, at most 64; no child's tokens are the beginning of another's.
  using Children = std::map<std::vector<int64_t>, std::unique_ptr<Node>, ByTokens>;
  struct Node {
    Node* parent = nullptr;
    Children::iterator place;  // among the parent's children
    std::list<Node*>::iterator use;
    std::vector<nn::PageRef> pages;  // by group; empty where the sequence had dropped the page before the node was made
    Children children;
  };

  Node& root_of(const Adapter& adapter);
  /// The child that shares the longest beginning with `tokens`, and the length of that beginning.
  static std::pair<Node*, std::size_t> closest(Node& node, std::span<const int64_t> tokens);
  Node& child_with(Node& node, std::span<const int64_t> tokens, std::vector<nn::PageRef> pages);
  void hold(Node& node, std::size_t group, nn::PageRef page);
  void let_go(Node& node);
  void drop(Node& node);
  void drop_below(Node& node);
  void forget_detached();
  /// Marks the nodes as used just now.
  void touch(std::span<Node* const> path);
  [[nodiscard]] bool has_all(std::span<Node* const> path, int64_t positions) const;

  nn::KvPool& pool_;
  Node plain_;  // of sequences without an adapter
  std::map<std::weak_ptr<const nn::Adapter>, Node, std::owner_less<>> by_adapter_;
  std::list<Node*> by_use_;  // least recently used first; children always before their parent
  Counts counts_;
};

}  // namespace dstorch::engine
