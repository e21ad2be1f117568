#include "text/stop_matcher.h"

#include <algorithm>
#include <deque>
#include <utility>

namespace dstorch::text {

StopMatcher::StopMatcher(std::vector<std::string> stops) : stops_(std::move(stops)) {
  nodes_.emplace_back();
  for (std::size_t index = 0; index < stops_.size(); ++index) {
    int node = 0;
    for (const char c : stops_[index]) {
      int next = child(node, c);
      if (next < 0) {
        next = static_cast<int>(nodes_.size());
        nodes_[static_cast<std::size_t>(node)].children.emplace_back(c, next);
        const std::size_t depth = nodes_[static_cast<std::size_t>(node)].depth + 1;
        nodes_.emplace_back().depth = depth;
      }
      node = next;
    }
    Node& last = nodes_[static_cast<std::size_t>(node)];
    if (node != 0 && last.match_length == 0) {
      last.match_length = stops_[index].size();
      last.match_index = index;
    }
  }
  // Breadth first, so that a node's failure link is known before its children need it.
  std::deque<int> queue = {0};
  while (!queue.empty()) {
    const int node = queue.front();
    queue.pop_front();
    for (const auto& [c, next] : nodes_[static_cast<std::size_t>(node)].children) {
      Node& target = nodes_[static_cast<std::size_t>(next)];
      target.fail = node == 0 ? 0 : step(nodes_[static_cast<std::size_t>(node)].fail, c);
      const Node& suffix = nodes_[static_cast<std::size_t>(target.fail)];
      if (target.match_length == 0) {
        target.match_length = suffix.match_length;
        target.match_index = suffix.match_index;
      }
      queue.push_back(next);
    }
  }
}

int StopMatcher::child(int node, char c) const {
  for (const auto& [label, next] : nodes_[static_cast<std::size_t>(node)].children) {
    if (label == c) {
      return next;
    }
  }
  return -1;
}

int StopMatcher::step(int node, char c) const {
  while (true) {
    const int next = child(node, c);
    if (next >= 0) {
      return next;
    }
    if (node == 0) {
      return 0;
    }
    node = nodes_[static_cast<std::size_t>(node)].fail;
  }
}

StopMatcher::Result StopMatcher::push(std::string_view piece) {
  Result result;
  if (stopped_) {
    return result;
  }
  for (const char c : piece) {
    held_.push_back(c);
    state_ = step(state_, c);
    const Node& node = nodes_[static_cast<std::size_t>(state_)];
    if (node.match_length > 0) {
      result.text = held_.substr(0, held_.size() - node.match_length);
      result.stop = stops_[node.match_index];
      held_.clear();
      stopped_ = true;
      return result;
    }
  }
  const std::size_t safe = held_.size() - nodes_[static_cast<std::size_t>(state_)].depth;
  result.text = held_.substr(0, safe);
  held_.erase(0, safe);
  return result;
}

std::string StopMatcher::finish() {
  std::string rest = std::move(held_);
  reset();
  return rest;
}

void StopMatcher::reset() {
  state_ = 0;
  held_.clear();
  stopped_ = false;
}

}  // namespace dstorch::text
