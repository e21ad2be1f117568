#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/rng.h"
#include "text/constraint/matcher.h"

namespace dstorch::test {

/// Every byte, and tokens put together from parts of JSON and words: they cross all borders there are.
inline std::vector<std::string> crossing_tokens(uint64_t seed, std::size_t count) {
  const std::vector<std::string> parts = {
      "\"",    "{",     "}",   "[",    "]",    ",",     ":",        " ",    "\n",       "a",  "b",
      "x",     "1",     "0",   "null", "true", "false", "\xC3\xA9", "\xC3", "\xE4\xB8", "\\", "name",
      "\",\"", "\":\"", "\"}", "},{",  "  ",   "\\u00", "kind",     ".",    "-",        "x_", "e"};
  std::vector<std::string> tokens;
  for (int byte = 0; byte < 256; ++byte) {
    tokens.emplace_back(1, static_cast<char>(byte));
  }
  Rng rng(seed);
  while (tokens.size() < 256 + count) {
    std::string token;
    for (auto length = 1 + rng.below(4); length > 0; --length) {
      token += parts[rng.below(parts.size())];
    }
    tokens.push_back(token);
  }
  return tokens;
}

/// The ids that may come next.
inline std::vector<int64_t> allowed(text::constraint::Matcher& matcher) {
  std::vector<int64_t> ids;
  const auto bits = matcher.allowed();
  for (std::size_t word = 0; word < bits.size(); ++word) {
    for (std::size_t bit = 0; bit < 64; ++bit) {
      if ((bits[word] >> bit & 1U) != 0) {
        ids.push_back(static_cast<int64_t>(word * 64 + bit));
      }
    }
  }
  return ids;
}

/// An answer of tokens drawn from those that are allowed, until it is complete. "STUCK ..." where none was allowed
/// before it was.
inline std::string random_answer(text::constraint::Matcher matcher, const text::constraint::Vocabulary& vocabulary,
                                 Rng& rng) {
  std::string text;
  while (!matcher.ended()) {
    const auto ids = matcher.budget() == 0 ? std::vector<int64_t>() : allowed(matcher);
    if (matcher.complete() && (ids.empty() || rng.below(4) == 0)) {
      break;
    }
    if (ids.empty()) {
      return "STUCK " + text;
    }
    const auto id = ids[rng.below(ids.size())];
    text += vocabulary.token(static_cast<std::size_t>(id));
    matcher.accept(id);
  }
  return text;
}

/// A text cut into tokens at random.
inline std::vector<int64_t> random_cut(const text::constraint::Vocabulary& vocabulary, const std::string& text,
                                       Rng& rng) {
  std::vector<int64_t> ids;
  for (std::size_t at = 0; at < text.size();) {
    std::vector<int64_t> fitting;
    const auto& tree = vocabulary.all();
    uint32_t node = 0;
    for (auto end = at; end < text.size() && (node = tree.child(node, static_cast<uint8_t>(text[end]))) != 0; ++end) {
      if (tree.nodes()[node].token >= 0) {
        fitting.push_back(tree.nodes()[node].token);
      }
    }
    ids.push_back(fitting[rng.below(fitting.size())]);
    at += vocabulary.token(static_cast<std::size_t>(ids.back())).size();
  }
  return ids;
}

}  // namespace dstorch::test
