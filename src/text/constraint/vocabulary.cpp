#include "text/constraint/vocabulary.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include "text/utf8.h"

namespace dstorch::text::constraint {
namespace {

/// Longer tokens are never in an answer.
constexpr std::size_t kLongestToken = 4096;

std::size_t common_prefix(std::string_view a, std::string_view b) {
  const auto most = std::min(a.size(), b.size());
  std::size_t common = 0;
  while (common < most && a[common] == b[common]) {
    ++common;
  }
  return common;
}

/// The ids of tokens that have bytes, in the order of their bytes, then of the ids. Most comparisons are of the first
/// eight bytes, as one number.
std::vector<uint32_t> sorted_ids(std::span<const std::string> tokens) {
  struct Entry {
    uint64_t begin;
    uint32_t id;
  };
  std::vector<Entry> entries;
  entries.reserve(tokens.size());
  for (uint32_t id = 0; id < tokens.size(); ++id) {
    uint64_t begin = 0;
    for (std::size_t i = 0; i < sizeof begin; ++i) {
      begin = begin << 8U | (i < tokens[id].size() ? static_cast<uint8_t>(tokens[id][i]) : 0U);
    }
    if (!tokens[id].empty()) {
      entries.push_back({begin, id});
    }
  }
  std::sort(entries.begin(), entries.end(), [&](const Entry& a, const Entry& b) {
    if (a.begin != b.begin) {
      return a.begin < b.begin;
    }
    const int order = tokens[a.id].compare(tokens[b.id]);
    return order != 0 ? order < 0 : a.id < b.id;
  });
  std::vector<uint32_t> ids(entries.size());
  std::transform(entries.begin(), entries.end(), ids.begin(), [](const Entry& entry) { return entry.id; });
  return ids;
}

}  // namespace

std::vector<std::string> bytes_of_tokens(const Tokenizer& tokenizer) {
  std::vector<std::string> tokens(static_cast<std::size_t>(tokenizer.vocab_size()));
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    tokens[id] = tokenizer.token_bytes(static_cast<int64_t>(id));
  }
  return tokens;
}

int plain_chars(std::string_view text) noexcept {
  if (!is_valid_utf8(text)) {
    return -1;
  }
  int count = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (!is_plain(byte)) {
      return -1;
    }
    count += (byte & 0xC0U) == 0x80U ? 0 : 1;
  }
  return count;
}

TokenTree::TokenTree(std::span<const std::string> tokens, std::span<const uint32_t> sorted) {
  std::size_t bytes = 1;
  for (const auto id : sorted) {
    bytes += tokens[id].size();
  }
  nodes_.reserve(bytes / 2);
  std::vector<uint32_t> path = {0};  // the nodes from the root to the last token
  std::string_view last;
  for (const auto id : sorted) {
    const std::string_view token = tokens[id];
    const auto common = common_prefix(last, token);
    while (path.size() > common + 1) {
      nodes_[path.back()].end = static_cast<uint32_t>(nodes_.size());
      path.pop_back();
    }
    for (std::size_t i = common; i < token.size(); ++i) {
      path.push_back(static_cast<uint32_t>(nodes_.size()));
      nodes_.push_back({0, -1, static_cast<uint16_t>(i + 1), static_cast<uint8_t>(token[i]), false});
    }
    auto& node = nodes_[path.back()];
    node.more = node.token >= 0;
    node.token = node.more ? node.token : static_cast<int32_t>(id);
    depth_ = std::max(depth_, token.size());
    last = token;
  }
  for (const auto node : path) {
    nodes_[node].end = static_cast<uint32_t>(nodes_.size());
  }
}

uint32_t TokenTree::child(uint32_t node, uint8_t byte) const noexcept {
  for (uint32_t next = node + 1; next < nodes_[node].end; next = nodes_[next].end) {
    if (nodes_[next].byte >= byte) {
      return nodes_[next].byte == byte ? next : 0;
    }
  }
  return 0;
}

Vocabulary::Vocabulary(std::vector<std::string> tokens) : tokens_(std::move(tokens)), next_same_(tokens_.size(), -1) {
  for (auto& token : tokens_) {
    if (token.size() > kLongestToken) {
      token.clear();
    }
    if (token.size() == 1) {
      single_.set(static_cast<uint8_t>(token.front()));
    }
  }
  const auto sorted = sorted_ids(tokens_);
  for (std::size_t i = 1; i < sorted.size(); ++i) {
    if (tokens_[sorted[i - 1]] == tokens_[sorted[i]]) {
      next_same_[sorted[i - 1]] = static_cast<int32_t>(sorted[i]);
    }
  }
  all_ = TokenTree(tokens_, sorted);

  std::array<std::vector<uint32_t>, kPlainGroups.size()> plain;
  std::vector<uint32_t> others;
  for (const auto id : sorted) {
    const int chars = plain_chars(tokens_[id]);
    const auto* const group = std::lower_bound(kPlainGroups.begin(), kPlainGroups.end(), std::max(chars, 0));
    (chars < 1 || group == kPlainGroups.end() ? others : plain[group - kPlainGroups.begin()]).push_back(id);
  }
  for (std::size_t i = 0; i < plain.size(); ++i) {
    PlainGroup group;
    group.least_chars = i == 0 ? 1 : kPlainGroups[i - 1] + 1;
    group.most_chars = kPlainGroups[i];
    group.tree = TokenTree(tokens_, plain[i]);
    group.bits.assign((tokens_.size() + 63) / 64, 0);
    for (const auto id : plain[i]) {
      group.bits[id / 64] |= uint64_t{1} << (id % 64);
    }
    plain_.push_back(std::move(group));
  }
  others_ = TokenTree(tokens_, others);
  std::erase_if(others, [&](uint32_t id) { return std::count(tokens_[id].begin(), tokens_[id].end(), '"') < 2; });
  quoted_ = TokenTree(tokens_, others);
  if (!single_.all()) {
    std::vector<uint32_t> whole;
    std::copy_if(sorted.begin(), sorted.end(), std::back_inserter(whole),
                 [this](uint32_t id) { return tokens_[id].size() > 1 && !can_be_split(tokens_[id]); });
    unsplittable_ = TokenTree(tokens_, whole);
  }
}

const Vocabulary& Vocabulary::bytes() {
  static const Vocabulary single_bytes = [] {
    std::vector<std::string> tokens(256);
    for (std::size_t byte = 0; byte < tokens.size(); ++byte) {
      tokens[byte] = std::string(1, static_cast<char>(byte));
    }
    return Vocabulary(std::move(tokens));
  }();
  return single_bytes;
}

bool Vocabulary::can_be_split(std::string_view token) const {
  if (std::all_of(token.begin(), token.end(), [this](char c) { return has_byte(static_cast<uint8_t>(c)); })) {
    return true;
  }
  std::vector<char> reached(token.size() + 1, 0);
  reached[0] = 1;
  for (std::size_t begin = 0; begin < token.size(); ++begin) {
    if (reached[begin] == 0) {
      continue;
    }
    uint32_t node = 0;
    for (std::size_t end = begin; end < token.size(); ++end) {
      node = all_.child(node, static_cast<uint8_t>(token[end]));
      if (node == 0) {
        break;
      }
      const bool whole = begin == 0 && end + 1 == token.size();
      reached[end + 1] = static_cast<char>(reached[end + 1] != 0 || (all_.nodes()[node].token >= 0 && !whole));
    }
  }
  return reached[token.size()] != 0;
}

}  // namespace dstorch::text::constraint
