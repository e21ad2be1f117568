#include "text/bpe.h"

#include <algorithm>
#include <queue>

#include "core/throw.h"
#include "text/byte_level.h"
#include "text/utf8.h"

namespace dstorch::text {
namespace {

// SentencePiece's mark for a space.
constexpr std::string_view kMetaspace = "\u2581";
// Up to here, looking at all pairs for each merge beats a heap.
constexpr std::size_t kShortWord = 64;

uint32_t id_of_merge(uint64_t merge) { return static_cast<uint32_t>(merge); }

}  // namespace

BpeModel::BpeModel(Vocab vocab, const MergeList& merges, BpeOptions options)
    : vocab_(std::move(vocab)), options_(std::move(options)) {
  merges_.reserve(merges.size());
  std::string merged;
  const std::size_t prefix = options_.continuing_subword_prefix.size();
  for (std::size_t rank = 0; rank < merges.size(); ++rank) {
    const std::string_view left = merges.left(rank);
    const std::string_view right = merges.right(rank);
    const uint32_t left_id = vocab_.find(left);
    const uint32_t right_id = vocab_.find(right);
    require(left_id != Vocab::kNone && right_id != Vocab::kNone, ErrorKind::format,
            "merge {} must join tokens of the vocabulary, but \"{}\" is none", rank,
            left_id == Vocab::kNone ? left : right);
    require(right.size() >= prefix, ErrorKind::format, "merge {}: \"{}\" must begin with the subword prefix \"{}\"",
            rank, right, options_.continuing_subword_prefix);
    merged = left;
    merged += right.substr(prefix);
    const uint32_t id = vocab_.find(merged);
    require(id != Vocab::kNone, ErrorKind::format, "merge {} must make a token of the vocabulary, but \"{}\" is none",
            rank, merged);
    merges_.insert(left_id, right_id, static_cast<uint32_t>(rank), id);
  }
  if (!options_.unk_token.empty()) {
    // Hugging Face complains only when it needs the token; a file without it is broken all the same, but harmless.
    unk_id_ = vocab_.find(options_.unk_token);
  }
  for (unsigned byte = 0; byte < 256; ++byte) {
    byte_level_ids_[byte] = vocab_.find(to_utf8(byte_to_char(static_cast<uint8_t>(byte))));
    fallback_ids_[byte] = vocab_.find(fmt::format("<0x{:02X}>", byte));
    if (byte < 128) {
      ascii_ids_[byte] = vocab_.find(std::string(1, static_cast<char>(byte)));
    }
  }
  separable_ = words_are_separable();
}

// Whether no merge joins anything to a metaspace on its right, other than another one. Then text may be cut before each
// metaspace that follows something else, and each part encoded, and cached, alone.
bool BpeModel::words_are_separable() const {
  if (vocab_.find(kMetaspace) == Vocab::kNone || !options_.continuing_subword_prefix.empty() ||
      !options_.end_of_word_suffix.empty() || options_.ignore_merges) {
    return false;
  }
  for (uint32_t id = 0; id < vocab_.id_limit(); ++id) {
    const std::string_view token = vocab_.token(id);
    std::size_t at = 0;
    while (token.substr(at).starts_with(kMetaspace)) {
      at += kMetaspace.size();
    }
    if (token.find(kMetaspace, at) != std::string_view::npos) {
      return false;
    }
  }
  return true;
}

void BpeModel::encode(const Piece& piece, Scratch& scratch, std::vector<int64_t>& out) const {
  const std::string_view text = piece.text;
  if (piece.byte_level || !separable_) {
    encode_word(text, piece.byte_level, scratch, out);
    return;
  }
  std::size_t begin = 0;
  for (std::size_t at = text.find(kMetaspace, 1); at != std::string_view::npos;
       at = text.find(kMetaspace, at + kMetaspace.size())) {
    const std::string_view before = text.substr(begin, at - begin);
    if (!before.ends_with(kMetaspace)) {
      encode_word(before, false, scratch, out);
      begin = at;
    }
  }
  encode_word(text.substr(begin), false, scratch, out);
}

void BpeModel::encode_word(std::string_view word, bool byte_level, Scratch& scratch, std::vector<int64_t>& out) const {
  if (word.empty()) {
    return;
  }
  const auto known = scratch.cache.find(word);
  if (!known.empty()) {
    out.insert(out.end(), known.begin(), known.end());
    return;
  }
  encode_uncached(word, byte_level, scratch);
  scratch.cache.insert(word, scratch.symbols);
  out.insert(out.end(), scratch.symbols.begin(), scratch.symbols.end());
}

void BpeModel::encode_uncached(std::string_view word, bool byte_level, Scratch& scratch) const {
  scratch.symbols.clear();
  const bool affixes = !options_.continuing_subword_prefix.empty() || !options_.end_of_word_suffix.empty();
  const bool by_bytes = byte_level && !affixes;
  std::string_view text = word;
  if (byte_level && (affixes || options_.ignore_merges)) {
    scratch.text.clear();
    append_byte_level(word, scratch.text);
    text = scratch.text;
  }
  if (options_.ignore_merges) {
    if (const uint32_t id = vocab_.find(text); id != Vocab::kNone) {
      scratch.symbols.push_back(id);
      return;
    }
  }
  if (!by_bytes) {
    symbols_of_text(text, scratch.symbols);
  } else if (!symbols_of_bytes(word, scratch.symbols)) {
    scratch.symbols.clear();
    scratch.text.clear();
    append_byte_level(word, scratch.text);
    symbols_of_text(scratch.text, scratch.symbols);
  }
  merge(scratch);
}

// False when a byte has no token of its own.
bool BpeModel::symbols_of_bytes(std::string_view bytes, std::vector<uint32_t>& symbols) const {
  for (const char byte : bytes) {
    const uint32_t id = byte_level_ids_[static_cast<unsigned char>(byte)];
    if (id == Vocab::kNone) {
      return false;
    }
    symbols.push_back(id);
  }
  return true;
}

bool BpeModel::byte_tokens(std::string_view bytes, std::vector<uint32_t>& symbols) const {
  const std::size_t before = symbols.size();
  for (const char byte : bytes) {
    const uint32_t id = fallback_ids_[static_cast<unsigned char>(byte)];
    if (id == Vocab::kNone) {
      symbols.resize(before);
      return false;
    }
    symbols.push_back(id);
  }
  return true;
}

void BpeModel::symbols_of_text(std::string_view text, std::vector<uint32_t>& symbols) const {
  const std::string& prefix = options_.continuing_subword_prefix;
  const std::string& suffix = options_.end_of_word_suffix;
  const bool affixes = !prefix.empty() || !suffix.empty();
  bool unknown_before = false;
  std::string spelled;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    at += utf8_length(text[at]);
    std::string_view symbol = text.substr(begin, at - begin);
    uint32_t id = Vocab::kNone;
    if (affixes) {
      spelled = begin > 0 ? prefix : "";
      spelled += symbol;
      spelled += at == text.size() ? suffix : "";
      symbol = spelled;
      id = vocab_.find(symbol);
    } else {
      id = symbol.size() == 1 ? ascii_ids_[static_cast<unsigned char>(symbol[0])] : vocab_.find(symbol);
    }
    if (id != Vocab::kNone) {
      if (unknown_before) {
        symbols.push_back(unk_id_);
        unknown_before = false;
      }
      symbols.push_back(id);
      continue;
    }
    // As in Hugging Face, an unknown character that still waits comes after these bytes.
    if (options_.byte_fallback && byte_tokens(symbol, symbols)) {
      continue;
    }
    if (options_.unk_token.empty()) {
      continue;
    }
    require(unk_id_ != Vocab::kNone, ErrorKind::format, "the unknown token \"{}\" must be in the vocabulary",
            options_.unk_token);
    if (unknown_before && !options_.fuse_unk) {
      symbols.push_back(unk_id_);
    }
    unknown_before = true;
  }
  if (unknown_before) {
    symbols.push_back(unk_id_);
  }
}

void BpeModel::merge(Scratch& scratch) const {
  if (scratch.symbols.size() < 2) {
    return;
  }
  if (scratch.symbols.size() <= kShortWord) {
    merge_short(scratch);
  } else {
    merge_long(scratch);
  }
}

void BpeModel::merge_short(Scratch& scratch) const {
  auto& symbols = scratch.symbols;
  auto& pairs = scratch.pairs;  // the merge of symbols i and i + 1
  pairs.resize(symbols.size() - 1);
  for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
    pairs[i] = merges_.find(symbols[i], symbols[i + 1]);
  }
  std::size_t count = symbols.size();
  while (count > 1) {
    // The rank is in the upper half: the smallest is the one to merge.
    const auto best = std::min_element(pairs.begin(), pairs.begin() + static_cast<std::ptrdiff_t>(count - 1));
    if (*best == PairTable::kNone) {
      break;
    }
    const auto at = static_cast<std::size_t>(best - pairs.begin());
    symbols[at] = id_of_merge(*best);
    std::copy(symbols.begin() + static_cast<std::ptrdiff_t>(at + 2),
              symbols.begin() + static_cast<std::ptrdiff_t>(count),
              symbols.begin() + static_cast<std::ptrdiff_t>(at + 1));
    std::copy(pairs.begin() + static_cast<std::ptrdiff_t>(at + 1),
              pairs.begin() + static_cast<std::ptrdiff_t>(count - 1), pairs.begin() + static_cast<std::ptrdiff_t>(at));
    --count;
    if (at > 0) {
      pairs[at - 1] = merges_.find(symbols[at - 1], symbols[at]);
    }
    if (at + 1 < count) {
      pairs[at] = merges_.find(symbols[at], symbols[at + 1]);
    }
  }
  symbols.resize(count);
}

// A heap of merges over a linked list: n log n, whatever the text.
void BpeModel::merge_long(Scratch& scratch) const {
  struct Node {
    uint32_t id;
    uint32_t previous;
    uint32_t next;
    bool alive = true;
  };
  struct Candidate {
    uint64_t merge;  // rank, id
    uint32_t at;
    bool operator>(const Candidate& other) const {
      const uint64_t rank = merge >> 32U;
      const uint64_t other_rank = other.merge >> 32U;
      return rank != other_rank ? rank > other_rank : at > other.at;
    }
  };
  constexpr uint32_t kEnd = UINT32_MAX;
  auto& symbols = scratch.symbols;
  require(symbols.size() < kEnd, ErrorKind::unsupported, "a piece of text must have fewer than {} symbols", kEnd);
  const auto count = static_cast<uint32_t>(symbols.size());
  std::vector<Node> nodes(count);
  std::vector<Candidate> heap;
  heap.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    nodes[i] = {symbols[i], i == 0 ? kEnd : i - 1, i + 1 == count ? kEnd : i + 1};
    const uint64_t merge = i + 1 < count ? merges_.find(symbols[i], symbols[i + 1]) : PairTable::kNone;
    if (merge != PairTable::kNone) {
      heap.push_back({merge, i});
    }
  }
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue(std::greater<>(), std::move(heap));
  const auto consider = [&](uint32_t left, uint32_t right) {
    const uint64_t merge = merges_.find(nodes[left].id, nodes[right].id);
    if (merge != PairTable::kNone) {
      queue.push({merge, left});
    }
  };
  while (!queue.empty()) {
    const Candidate top = queue.top();
    queue.pop();
    Node& left = nodes[top.at];
    if (!left.alive || left.next == kEnd) {
      continue;
    }
    const uint32_t right = left.next;
    // The neighbours may have changed since. Equal ids are enough, as in Hugging Face.
    const uint64_t now = merges_.find(left.id, nodes[right].id);
    if (now == PairTable::kNone || id_of_merge(now) != id_of_merge(top.merge)) {
      continue;
    }
    left.id = id_of_merge(top.merge);
    left.next = nodes[right].next;
    nodes[right].alive = false;
    if (left.next != kEnd) {
      nodes[left.next].previous = top.at;
      consider(top.at, left.next);
    }
    if (left.previous != kEnd) {
      consider(left.previous, top.at);
    }
  }
  symbols.clear();
  for (uint32_t at = 0; at != kEnd; at = nodes[at].next) {
    symbols.push_back(nodes[at].id);
  }
}

}  // namespace dstorch::text
