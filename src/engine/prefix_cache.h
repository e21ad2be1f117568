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

/// Keys and values that sequences made, to be found again by their tokens and the adapter that they went through. A
/// tree: a node is a page in every group of layers, below that of the 64 tokens before it; a page that is not full has
/// none below. It holds its pages beside whoever else does, and writes to none. One thread, but for `counts`.
class PrefixCache {
 public:
  explicit PrefixCache(nn::KvPool& pool) : pool_(pool) {}
  ~PrefixCache() { clear(); }
  PrefixCache(const PrefixCache&) = delete;
  PrefixCache& operator=(const PrefixCache&) = delete;

  using Adapter = std::shared_ptr<const nn::Adapter>;

  /// What is there of a sequence's beginning.
  struct Found {
    int64_t positions = 0;
    /// By group, as `SequencePages::adopt` takes them: those that a position from `positions` on sees.
    std::vector<std::vector<nn::PageRef>> pages;
    /// The last pages are not full, or go on with other tokens: who goes on from here needs copies of them.
    bool ends_within_page = false;
  };
  /// The longest beginning of `tokens` of which all layers' pages are there, as far as later positions see them.
  [[nodiscard]] Found find(std::span<const int64_t> tokens, const Adapter& adapter);
  /// Copies its last pages where they would be written to and others hold them. `make_room` is told of the bytes that
  /// are taken next.
  void make_own(Found& found, const std::function<void(int64_t)>& make_room);
  /// Remembers the pages of `tokens`, all of which have gone through the model.
  void put(std::span<const int64_t> tokens, const Adapter& adapter, const nn::SequencePages& pages);

  /// Forgets the least recently used node that has none below it; false when there is none.
  bool drop_oldest();
  void clear();

  // Any thread may read them.
  struct Counts {
    std::atomic<int64_t> pages{0};  ///< that the cache holds, beside others or alone
    std::atomic<int64_t> bytes{0};
    std::atomic<int64_t> tokens_asked{0};
    std::atomic<int64_t> tokens_found{0};
  };
  [[nodiscard]] const Counts& counts() const noexcept { return counts_; }
  /// A sequence of so many tokens began, and found so many of them.
  void count(int64_t asked, int64_t found) noexcept;

 private:
  struct Node;
  struct ByTokens {
    using is_transparent = void;
    bool operator()(std::span<const int64_t> a, std::span<const int64_t> b) const;
  };
  /// By their tokens, at most a page of them; none is the beginning of another.
  using Children = std::map<std::vector<int64_t>, std::unique_ptr<Node>, ByTokens>;
  struct Node {
    Node* parent = nullptr;
    Children::iterator place;  // among the parent's children
    std::list<Node*>::iterator use;
    std::vector<nn::PageRef> pages;  // by group; none where it was gone when the node was made
    Children children;
  };

  Node& root_of(const Adapter& adapter);
  /// The child that has the most tokens in common with `tokens` from the beginning, and how many.
  static std::pair<Node*, std::size_t> closest(Node& node, std::span<const int64_t> tokens);
  Node& child_with(Node& node, std::span<const int64_t> tokens, std::vector<nn::PageRef> pages);
  void hold(Node& node, std::size_t group, nn::PageRef page);
  void let_go(Node& node);
  void drop(Node& node);
  void drop_below(Node& node);
  void forget_detached();
  /// They were used now.
  void touch(std::span<Node* const> path);
  [[nodiscard]] bool has_all(std::span<Node* const> path, int64_t positions) const;

  nn::KvPool& pool_;
  Node plain_;  // of sequences without an adapter
  std::map<std::weak_ptr<const nn::Adapter>, Node, std::owner_less<>> by_adapter_;
  std::list<Node*> by_use_;  // oldest first, and whatever is below a node before it
  Counts counts_;
};

}  // namespace dstorch::engine
