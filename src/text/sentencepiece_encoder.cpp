#include "text/sentencepiece_encoder.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>

#include "core/throw.h"
#include "text/utf8.h"

namespace dstorch::text {
namespace {

constexpr std::string_view kMark = "\u2581";
using Type = SentencePieceModel::Type;

// An unknown character costs as much more than the least likely piece.
constexpr float kUnkPenalty = 10.0F;
// What each byte of a user-defined piece counts, but for one of them.
constexpr double kUserDefinedByte = 0.1;
// Several times what rules in use make of a text (of NFKC's, the longest has 18 characters for one).
constexpr std::size_t kMostGrowth = 64;
constexpr std::size_t kMostAdded = 1024;

bool is_text(Type type) { return type == Type::normal || type == Type::user_defined || type == Type::unused; }

}  // namespace

SentencePieceEncoder::SentencePieceEncoder(const SentencePieceModel& model)
    : algorithm_(model.algorithm),
      byte_fallback_(model.byte_fallback),
      whitespace_as_suffix_(model.whitespace_as_suffix),
      add_dummy_prefix_(model.add_dummy_prefix),
      remove_extra_whitespaces_(model.remove_extra_whitespaces),
      escape_whitespaces_(model.escape_whitespaces),
      rules_(model.rules),
      replacements_(model.replacements) {
  std::fill(std::begin(byte_ids_), std::end(byte_ids_), Vocab::kNone);
  std::size_t text_bytes = 0;
  std::size_t user_bytes = 0;
  for (const auto& entry : model.pieces) {
    text_bytes += is_text(entry.type) ? entry.piece.size() : 0;
    user_bytes += entry.type == Type::user_defined ? entry.piece.size() : 0;
  }
  const bool unigram = algorithm_ == SentencePieceModel::Algorithm::unigram;
  trie_.reserve(unigram ? text_bytes : 0);
  user_defined_.reserve(user_bytes);
  float min_score = std::numeric_limits<float>::max();
  for (const auto& [piece, score, type] : model.pieces) {
    const auto id = static_cast<uint32_t>(scores_.size());
    scores_.push_back(score);
    types_.push_back(type);
    if (is_text(type)) {
      pieces_.add(piece, id);
      if (unigram) {
        trie_.add(piece, id);
      }
    }
    if (type == Type::user_defined) {
      user_defined_.add(piece, id);
    } else if (type == Type::unknown) {
      unk_id_ = id;
    } else if (type == Type::normal) {
      min_score = std::min(min_score, score);
    }
  }
  unk_score_ = min_score - kUnkPenalty;
  for (std::size_t id = 0; id < model.pieces.size(); ++id) {
    for (unsigned byte = 0; model.pieces[id].type == Type::byte && byte < 256; ++byte) {
      if (model.pieces[id].piece == fmt::format("<0x{:02X}>", byte)) {
        byte_ids_[byte] = static_cast<uint32_t>(id);
      }
    }
  }
  byte_fallback_ =
      byte_fallback_ && std::find(std::begin(byte_ids_), std::end(byte_ids_), Vocab::kNone) == std::end(byte_ids_);
}

std::string_view SentencePieceEncoder::normalized_prefix(std::string_view text, std::size_t& consumed) const {
  if (const std::size_t user = user_defined_.longest_prefix(text); user > 0) {
    consumed = user;
    return text.substr(0, user);
  }
  consumed = 0;
  std::size_t value = 0;
  if (!rules_.empty()) {
    // The links were checked when the model was read.
    const auto offset = [](uint32_t unit) { return (unit >> 10U) << ((unit & (1U << 9U)) >> 6U); };
    std::size_t node = offset(rules_[0]);
    for (std::size_t i = 0; i < text.size(); ++i) {
      const auto byte = static_cast<unsigned char>(text[i]);
      node ^= byte;
      const uint32_t unit = rules_[node];
      if ((unit & 0x800000FFU) != byte) {
        break;
      }
      node ^= offset(unit);
      if (((unit >> 8U) & 1U) != 0) {
        consumed = i + 1;
        value = rules_[node] & 0x7FFFFFFFU;
      }
    }
  }
  // A rule may match a part of a character only in a broken file.
  const bool whole =
      consumed > 0 && (consumed == text.size() || (static_cast<unsigned char>(text[consumed]) & 0xC0U) != 0x80U);
  if (!whole) {
    consumed = utf8_length(text[0]);
    return text.substr(0, consumed);
  }
  return replacements_.data() + value;
}

std::string SentencePieceEncoder::normalize(std::string_view text, bool prefix) const {
  std::string out;
  std::size_t consumed = 0;
  while (remove_extra_whitespaces_ && !text.empty() && normalized_prefix(text, consumed) == " ") {
    text.remove_prefix(consumed);
  }
  if (text.empty()) {
    return out;
  }
  out.reserve(text.size() + text.size() / 3 + kMark.size());
  const std::string_view space = escape_whitespaces_ ? kMark : " ";
  const bool adds_space = add_dummy_prefix_ && prefix;
  if (adds_space && !whitespace_as_suffix_) {
    out += space;
  }
  bool after_space = remove_extra_whitespaces_;
  const std::size_t most = text.size() * kMostGrowth + kMostAdded;
  while (!text.empty()) {
    std::string_view part = normalized_prefix(text, consumed);
    text.remove_prefix(consumed);
    require(part.size() <= most && out.size() <= most, ErrorKind::unsupported,
            "the normalization rules must not make a text more than {} times longer, and {} bytes", kMostGrowth,
            kMostAdded);
    while (after_space && part.starts_with(' ')) {
      part.remove_prefix(1);
    }
    for (const char c : part) {
      if (c == ' ') {
        out += space;
      } else {
        out.push_back(c);
      }
    }
    if (!part.empty()) {
      after_space = remove_extra_whitespaces_ && part.ends_with(' ');
    }
  }
  while (remove_extra_whitespaces_ && out.ends_with(space)) {
    out.erase(out.size() - space.size());
  }
  if (adds_space && whitespace_as_suffix_) {
    out += space;
  }
  return out;
}

uint32_t SentencePieceEncoder::id_of(std::string_view piece) const {
  const uint32_t id = pieces_.find(piece);
  return id == Vocab::kNone ? unk_id_ : id;
}

// The best path that ends at each byte, from left to right.
void SentencePieceEncoder::segment_unigram(std::string_view text, std::vector<Segment>& out) const {
  constexpr std::size_t kNowhere = std::string_view::npos;
  struct End {
    std::size_t start = kNowhere;
    uint32_t id = 0;
    float score = 0;
  };
  std::vector<End> ends(text.size() + 1);
  // Paths whose scores are one number in float32 are equally good, and the first of them stays.
  const auto offer = [&](std::size_t start, std::size_t end, uint32_t id, float score) {
    if (ends[end].start == kNowhere || score > ends[end].score) {
      ends[end] = {start, id, score};
    }
  };
  for (std::size_t start = 0; start < text.size();) {
    const float before = ends[start].score;
    const std::size_t character = utf8_length(text[start]);
    bool known = false;
    uint32_t node = 0;
    for (std::size_t at = start; at < text.size();) {
      node = trie_.child(node, text[at]);
      if (node == ByteTrie::kNone) {
        break;
      }
      ++at;
      const uint32_t id = trie_.value(node);
      if (id == ByteTrie::kNone || types_[id] == Type::unused) {
        continue;
      }
      const std::size_t length = at - start;
      // A user-defined piece has no score of its own: that of its bytes makes sure that it is taken.
      const float score = types_[id] == Type::user_defined
                              ? static_cast<float>(kUserDefinedByte * static_cast<double>(length) - kUserDefinedByte)
                              : scores_[id];
      offer(start, at, id, score + before);
      known = known || length == character;
    }
    if (!known) {
      offer(start, start + character, unk_id_, unk_score_ + before);
    }
    start += character;
  }
  const std::size_t first = out.size();
  for (std::size_t end = text.size(); end > 0; end = ends[end].start) {
    out.push_back({text.substr(ends[end].start, end - ends[end].start), ends[end].id});
  }
  std::reverse(out.begin() + static_cast<std::ptrdiff_t>(first), out.end());
}

void SentencePieceEncoder::encode(std::string_view text, bool prefix, std::vector<int64_t>& out) const {
  const std::string normalized = normalize(text, prefix);
  std::vector<Segment> segments;
  if (algorithm_ == SentencePieceModel::Algorithm::bpe) {
    segment_bpe(normalized, segments);
  } else {
    segment_unigram(normalized, segments);
  }
  bool after_unknown = false;
  for (const Segment& segment : segments) {
    const bool unknown = segment.id == unk_id_;
    if (unknown && byte_fallback_) {
      for (const char byte : segment.text) {
        out.push_back(byte_ids_[static_cast<unsigned char>(byte)]);
      }
    } else if (!unknown || !after_unknown) {
      out.push_back(segment.id);
    }
    after_unknown = unknown;
  }
}

}  // namespace dstorch::text
