// SentencePiece's BPE: neighbours whose joined text is a piece are joined, the highest score first.
#include <queue>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "text/sentencepiece_encoder.h"
#include "text/utf8.h"

namespace dstorch::text {
namespace {

constexpr uint32_t kEnd = UINT32_MAX;

struct Symbol {
  std::size_t begin;
  std::size_t size;  // 0 once it was joined to the symbol before it
  uint32_t previous;
  uint32_t next;
  bool frozen;  // user-defined
};

struct Candidate {
  float score;
  uint32_t left;
  uint32_t right;
  std::size_t size;

  bool operator<(const Candidate& other) const {
    return score != other.score ? score < other.score : left > other.left;
  }
};

}  // namespace

void SentencePieceEncoder::segment_bpe(std::string_view text, std::vector<Segment>& out) const {
  std::vector<Symbol> symbols;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t user = user_defined_.longest_prefix(text.substr(at));
    const std::size_t size = user > 0 ? user : utf8_length(text[at]);
    const auto index = static_cast<uint32_t>(symbols.size());
    symbols.push_back({at, size, index == 0 ? kEnd : index - 1, index + 1, user > 0});
    at += size;
  }
  if (symbols.empty()) {
    return;
  }
  symbols.back().next = kEnd;
  const auto text_of = [&](const Symbol& symbol) { return text.substr(symbol.begin, symbol.size); };

  std::priority_queue<Candidate> agenda;
  // Where pieces that must not be used came from: they are taken apart again.
  std::unordered_map<std::string_view, std::size_t> left_size_of_unused;
  const auto consider = [&](uint32_t left, uint32_t right) {
    if (left == kEnd || right == kEnd || symbols[left].frozen || symbols[right].frozen) {
      return;
    }
    const std::size_t size = symbols[left].size + symbols[right].size;
    if (size > pieces_.longest()) {
      return;
    }
    const std::string_view joined = text.substr(symbols[left].begin, size);
    const uint32_t id = pieces_.find(joined);
    if (id == Vocab::kNone) {
      return;
    }
    agenda.push({scores_[id], left, right, size});
    if (types_[id] == Type::unused) {
      left_size_of_unused.insert_or_assign(joined, symbols[left].size);
    }
  };
  for (uint32_t i = 0; i + 1 < symbols.size(); ++i) {
    consider(i, i + 1);
  }
  while (!agenda.empty()) {
    const Candidate top = agenda.top();
    agenda.pop();
    Symbol& left = symbols[top.left];
    Symbol& right = symbols[top.right];
    if (left.size == 0 || right.size == 0 || left.size + right.size != top.size) {
      continue;
    }
    left.size = top.size;
    left.next = right.next;
    if (right.next != kEnd) {
      symbols[right.next].previous = top.left;
    }
    right.size = 0;
    consider(left.previous, top.left);
    consider(top.left, left.next);
  }

  std::vector<std::string_view> stack;
  for (uint32_t at = 0; at != kEnd; at = symbols[at].next) {
    stack.push_back(text_of(symbols[at]));
    while (!stack.empty()) {
      const std::string_view piece = stack.back();
      stack.pop_back();
      const uint32_t id = id_of(piece);
      const auto split = types_[id] == Type::unused ? left_size_of_unused.find(piece) : left_size_of_unused.end();
      if (split == left_size_of_unused.end()) {
        out.push_back({piece, id});
      } else {
        stack.push_back(piece.substr(split->second));
        stack.push_back(piece.substr(0, split->second));
      }
    }
  }
}

}  // namespace dstorch::text
