#include "text/added_tokens.h"

#include <algorithm>

#include "text/unicode.h"
#include "text/utf8.h"

namespace dstorch::text {
namespace {

bool word_ends_before(std::string_view text, std::size_t at) {
  if (at == 0) {
    return false;
  }
  std::size_t start = previous_utf8(text, at);
  return is_word(read_utf8(text, start));
}

bool word_begins_at(std::string_view text, std::size_t at) { return at < text.size() && is_word(read_utf8(text, at)); }

std::size_t skip_space_left(std::string_view text, std::size_t at) {
  while (at > 0) {
    const std::size_t start = previous_utf8(text, at);
    std::size_t next = start;
    if (!is_space(read_utf8(text, next))) {
      break;
    }
    at = start;
  }
  return at;
}

std::size_t skip_space_right(std::string_view text, std::size_t at) {
  while (at < text.size()) {
    std::size_t next = at;
    if (!is_space(read_utf8(text, next))) {
      break;
    }
    at = next;
  }
  return at;
}

}  // namespace

void add_tokens(std::vector<AddedToken>& tokens, std::vector<AddedToken> more, const Vocab& vocab) {
  auto free = static_cast<int64_t>(vocab.size());
  std::unordered_map<std::string, std::size_t> places;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    places.emplace(tokens[i].content, i);
    free = std::max(free, tokens[i].id + 1);
  }
  for (AddedToken& token : more) {
    if (token.content.empty()) {
      continue;
    }
    const auto [place, is_new] = places.emplace(token.content, tokens.size());
    if (!is_new) {
      tokens[place->second].special = tokens[place->second].special || token.special;
      continue;
    }
    const auto known = vocab.find(token.content);
    token.id = known != Vocab::kNone ? static_cast<int64_t>(known) : free;
    free = std::max(free, token.id + 1);
    tokens.push_back(std::move(token));
  }
}

int AddedTokenMatcher::child(int node, char c) const {
  const auto& children = nodes_[static_cast<std::size_t>(node)].children;
  const auto found = std::find_if(children.begin(), children.end(), [&](const auto& edge) { return edge.first == c; });
  return found == children.end() ? -1 : found->second;
}

void AddedTokenMatcher::add(std::string_view pattern, const AddedToken& token) {
  if (pattern.empty()) {
    return;
  }
  int node = 0;
  for (const char c : pattern) {
    int next = child(node, c);
    if (next < 0) {
      next = static_cast<int>(nodes_.size());
      nodes_[static_cast<std::size_t>(node)].children.emplace_back(c, next);
      nodes_.emplace_back();
    }
    node = next;
  }
  begins_[static_cast<unsigned char>(pattern[0])] = true;
  // Of two with the same pattern the first one counts.
  int& slot = nodes_[static_cast<std::size_t>(node)].token;
  if (slot < 0) {
    slot = static_cast<int>(tokens_.size());
    tokens_.push_back(token);
  }
}

int AddedTokenMatcher::longest(std::string_view text, std::size_t at, std::size_t& end) const {
  int node = 0;
  int found = -1;
  for (std::size_t i = at; i < text.size(); ++i) {
    node = child(node, text[i]);
    if (node < 0) {
      break;
    }
    if (const int token = nodes_[static_cast<std::size_t>(node)].token; token >= 0) {
      found = token;
      end = i + 1;
    }
  }
  return found;
}

void AddedTokenMatcher::find(std::string_view text, bool parse_special, std::span<const std::size_t> plain_at,
                             std::vector<Part>& parts) const {
  std::size_t open = 0;  // what is before it has been handed out
  for (std::size_t at = 0; at < text.size();) {
    if (!begins_[static_cast<unsigned char>(text[at])]) {
      ++at;
      continue;
    }
    std::size_t end = at;
    const int index = longest(text, at, end);
    if (index < 0) {
      ++at;
      continue;
    }
    const AddedToken& token = tokens_[static_cast<std::size_t>(index)];
    std::size_t begin = at;
    at = end;
    if (token.special && (!parse_special || std::binary_search(plain_at.begin(), plain_at.end(), begin))) {
      continue;
    }
    if (token.single_word && (word_ends_before(text, begin) || word_begins_at(text, end))) {
      continue;
    }
    if (token.lstrip) {
      begin = std::max(skip_space_left(text, begin), open);
    }
    if (token.rstrip) {
      end = skip_space_right(text, end);
    }
    if (begin >= end) {
      continue;  // white space, and the token before took it
    }
    if (open < begin) {
      parts.push_back({{open, begin}, nullptr});
    }
    parts.push_back({{begin, end}, &token});
    open = end;
  }
  if (open < text.size()) {
    parts.push_back({{open, text.size()}, nullptr});
  }
}

}  // namespace dstorch::text
