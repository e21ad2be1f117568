#include "engine/prefix_cache.h"

#include <algorithm>
#include <utility>

namespace dstorch::engine {
namespace {

constexpr auto kPage = static_cast<std::size_t>(ops::kPagePositions);

std::size_t common_beginning(std::span<const int64_t> a, std::span<const int64_t> b) {
  return static_cast<std::size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
}

}  // namespace

bool PrefixCache::ByTokens::operator()(std::span<const int64_t> a, std::span<const int64_t> b) const {
  return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end());
}

PrefixCache::Node& PrefixCache::root_of(const Adapter& adapter) { return adapter ? by_adapter_[adapter] : plain_; }

std::pair<PrefixCache::Node*, std::size_t> PrefixCache::closest(Node& node, std::span<const int64_t> tokens) {
  // Children are sorted by tokens, so that the closest is a neighbour of the place where `tokens` would be.
  std::pair<Node*, std::size_t> best{nullptr, 0};
  const auto look_at = [&](Children::iterator it) {
    const auto common = common_beginning(it->first, tokens);
    if (common > best.second) {
      best = {it->second.get(), common};
    }
  };
  const auto after = node.children.lower_bound(tokens);
  if (after != node.children.end()) {
    look_at(after);
  }
  if (after != node.children.begin()) {
    look_at(std::prev(after));
  }
  return best;
}

bool PrefixCache::has_all(std::span<Node* const> path, int64_t positions) const {
  const auto end = (static_cast<std::size_t>(positions) + kPage - 1) / kPage;
  for (std::size_t group = 0; group < pool_.layout().groups.size(); ++group) {
    for (auto i = pool_.layout().first_page_seen(group, positions); i < end; ++i) {
      if (!path[i]->pages[group]) {
        return false;
      }
    }
  }
  return true;
}

PrefixCache::Found PrefixCache::find(std::span<const int64_t> tokens, const Adapter& adapter) {
  forget_detached();
  std::vector<Node*> path;
  std::size_t there = 0;
  for (auto* node = &root_of(adapter); there < tokens.size() && there % kPage == 0;) {
    const auto [child, common] = closest(*node, tokens.subspan(there, std::min(kPage, tokens.size() - there)));
    if (child == nullptr) {
      break;
    }
    path.push_back(child);
    there += common;
    node = child;
  }
  touch(path);
  // Pages may be missing that a window had passed by the end of the path; an earlier end may have all that it needs.
  while (there > 0 && !has_all(path, static_cast<int64_t>(there))) {
    there = (there - 1) / kPage * kPage;
  }
  Found found;
  found.positions = static_cast<int64_t>(there);
  found.ends_within_page = there % kPage != 0;
  const auto end = (there + kPage - 1) / kPage;
  for (std::size_t group = 0; group < pool_.layout().groups.size(); ++group) {
    auto& pages = found.pages.emplace_back(end);
    for (auto i = pool_.layout().first_page_seen(group, found.positions); i < end; ++i) {
      pages[i] = path[i]->pages[group];
    }
  }
  return found;
}

void PrefixCache::make_own(Found& found, const std::function<void(int64_t)>& make_room) {
  for (std::size_t group = 0; found.ends_within_page && group < found.pages.size(); ++group) {
    auto& last = found.pages[group].back();
    make_room(pool_.page_bytes(group));
    if (pool_.references(last) > 1) {  // else the cache has dropped it just now, and nobody else holds it
      last = pool_.copy(last);
    }
  }
}

void PrefixCache::put(std::span<const int64_t> tokens, const Adapter& adapter, const nn::SequencePages& pages) {
  std::vector<Node*> path;
  auto* node = &root_of(adapter);
  for (std::size_t begin = 0; begin < tokens.size(); begin += kPage) {
    std::vector<nn::PageRef> own;
    for (std::size_t group = 0; group < pool_.layout().groups.size(); ++group) {
      own.push_back(pages.page(group, begin / kPage));
    }
    node = &child_with(*node, tokens.subspan(begin, std::min(kPage, tokens.size() - begin)), std::move(own));
    path.push_back(node);
  }
  touch(path);
}

PrefixCache::Node& PrefixCache::child_with(Node& node, std::span<const int64_t> tokens,
                                           std::vector<nn::PageRef> pages) {
  auto [child, common] = closest(node, tokens);
  if (child != nullptr && common == tokens.size()) {
    for (std::size_t group = 0; group < pages.size(); ++group) {
      if (child->place->first.size() == common && !child->pages[group]) {
        hold(*child, group, std::move(pages[group]));
      }
    }
    return *child;
  }
  auto& children = node.children;
  if (child != nullptr && common == child->place->first.size()) {
    // A page that was not full, and that `tokens` continues.
    let_go(*child);
    auto entry = children.extract(child->place);
    entry.key().assign(tokens.begin(), tokens.end());
    child->place = children.insert(std::move(entry)).position;
  } else {
    auto made = std::make_unique<Node>();
    child = made.get();
    child->parent = &node;
    child->pages.resize(pages.size());
    child->use = by_use_.insert(by_use_.end(), child);
    child->place = children.emplace(std::vector<int64_t>(tokens.begin(), tokens.end()), std::move(made)).first;
  }
  for (std::size_t group = 0; group < pages.size(); ++group) {
    hold(*child, group, std::move(pages[group]));
  }
  return *child;
}

void PrefixCache::hold(Node& node, std::size_t group, nn::PageRef page) {
  if (page) {
    counts_.pages += 1;
    counts_.bytes += pool_.page_bytes(group);
    node.pages[group] = std::move(page);
  }
}

void PrefixCache::let_go(Node& node) {
  for (std::size_t group = 0; group < node.pages.size(); ++group) {
    if (node.pages[group]) {
      counts_.pages -= 1;
      counts_.bytes -= pool_.page_bytes(group);
      node.pages[group] = nn::PageRef();
    }
  }
}

void PrefixCache::touch(std::span<Node* const> path) {
  std::for_each(path.rbegin(), path.rend(), [&](Node* node) { by_use_.splice(by_use_.end(), by_use_, node->use); });
}

void PrefixCache::drop(Node& node) {
  let_go(node);
  by_use_.erase(node.use);
  node.parent->children.erase(node.place);
}

bool PrefixCache::drop_oldest() {
  if (by_use_.empty()) {
    return false;
  }
  drop(*by_use_.front());
  return true;
}

void PrefixCache::clear() {
  while (drop_oldest()) {
  }
}

void PrefixCache::drop_below(Node& node) {
  while (!node.children.empty()) {
    auto* leaf = &node;
    while (!leaf->children.empty()) {
      leaf = leaf->children.begin()->second.get();
    }
    drop(*leaf);
  }
}

void PrefixCache::forget_detached() {
  for (auto it = by_adapter_.begin(); it != by_adapter_.end();) {
    if (it->first.expired()) {
      drop_below(it->second);
      it = by_adapter_.erase(it);
    } else {
      ++it;
    }
  }
}

void PrefixCache::count(int64_t asked, int64_t found) noexcept {
  counts_.tokens_asked += asked;
  counts_.tokens_found += found;
}

}  // namespace dstorch::engine
