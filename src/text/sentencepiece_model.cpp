#include "text/sentencepiece_model.h"

#include <cmath>
#include <cstring>
#include <unordered_set>

#include "core/throw.h"
#include "text/utf8.h"
#include "text/vocab.h"

namespace dstorch::text {
namespace {

// Fields of a protocol buffer, one after the other (protobuf.dev/programming-guides/encoding).
class Fields {
 public:
  Fields(std::string_view bytes, std::string_view where) : bytes_(bytes), where_(where) {}

  /// Moves to the next field; false at the end.
  bool next() {
    if (bytes_.empty()) {
      return false;
    }
    const uint64_t key = varint();
    number_ = key >> 3U;
    type_ = key & 7U;
    value_ = 0;
    content_ = {};
    switch (type_) {
      case 0:
        value_ = varint();
        return true;
      case 1:
        content_ = take(8);
        return true;
      case 2:
        content_ = take(varint());
        return true;
      case 5:
        content_ = take(4);
        return true;
      default:
        fail(ErrorKind::format, "{} must be a SentencePiece model: field type {} is unknown", where_, type_);
    }
  }

  [[nodiscard]] bool is(uint64_t number, uint64_t type) const { return number_ == number && type_ == type; }
  [[nodiscard]] uint64_t value() const { return value_; }
  [[nodiscard]] std::string_view content() const { return content_; }

 private:
  uint64_t varint() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1)[0]);
      value |= static_cast<uint64_t>(byte & 0x7FU) << shift;
      if (byte < 0x80) {
        return value;
      }
    }
    fail(ErrorKind::format, "{} must be a SentencePiece model: a number is too long", where_);
  }

  std::string_view take(uint64_t length) {
    require(length <= bytes_.size(), ErrorKind::format,
            "{} must be a SentencePiece model: a field needs {} bytes where {} are left", where_, length,
            bytes_.size());
    const std::string_view taken = bytes_.substr(0, length);
    bytes_.remove_prefix(length);
    return taken;
  }

  std::string_view bytes_;
  std::string_view where_;
  uint64_t number_ = 0;
  uint64_t type_ = 0;
  uint64_t value_ = 0;
  std::string_view content_;
};

constexpr uint64_t kVarint = 0;
constexpr uint64_t kBytes = 2;
constexpr uint64_t kFixed32 = 5;
// A longer token is no token, and makes the library's tables large.
constexpr std::size_t kMaxPiece = 4096;

SentencePieceModel::Entry read_piece(std::string_view bytes, std::string_view where) {
  SentencePieceModel::Entry entry;
  Fields fields(bytes, where);
  while (fields.next()) {
    if (fields.is(1, kBytes)) {
      entry.piece = fields.content();
    } else if (fields.is(2, kFixed32)) {
      std::memcpy(&entry.score, fields.content().data(), sizeof(entry.score));
      require(std::isfinite(entry.score), ErrorKind::format, "{}: the score of \"{}\" must be finite", where,
              entry.piece.substr(0, 80));
    } else if (fields.is(3, kVarint)) {
      require(fields.value() >= 1 && fields.value() <= 6, ErrorKind::format, "{}: piece type {} is unknown", where,
              fields.value());
      entry.type = static_cast<SentencePieceModel::Type>(fields.value());
    }
  }
  require(!entry.piece.empty() && entry.piece.size() <= kMaxPiece && is_valid_utf8(entry.piece) &&
              entry.piece.find('\0') == std::string::npos,
          ErrorKind::format, "{}: a piece must be 1 to {} bytes of UTF-8", where, kMaxPiece);
  return entry;
}

// The compiled normalization rules: the size of the trie in bytes, the trie, the replacements.
void read_charsmap(std::string_view map, SentencePieceModel& model, std::string_view where) {
  if (map.empty()) {
    return;
  }
  uint32_t size = 0;
  require(map.size() > sizeof(size), ErrorKind::format, "{}: the normalization rules are cut off", where);
  std::memcpy(&size, map.data(), sizeof(size));
  require(size >= 1024 && size % 1024 == 0 && size < map.size() - sizeof(size), ErrorKind::format,
          "{}: the trie of the normalization rules must be a multiple of 1024 below {} bytes, got {}", where,
          map.size() - sizeof(size), size);
  model.replacements = map.substr(sizeof(size) + size);
  const std::string& replacements = model.replacements;
  require(replacements.back() == '\0', ErrorKind::format, "{}: the normalization rules must end with a zero byte",
          where);
  require(is_valid_utf8(replacements), ErrorKind::format, "{}: the normalization rules must give UTF-8", where);
  std::vector<uint32_t>& units = model.rules;
  units.resize(size / sizeof(uint32_t));
  std::memcpy(units.data(), map.data() + sizeof(size), size);
  for (std::size_t i = 0; i < units.size(); ++i) {
    const uint32_t unit = units[i];
    const bool is_value = (unit >> 31U) != 0;
    if (is_value) {
      require(i > 0, ErrorKind::format, "{}: the trie of the normalization rules has no root", where);
      continue;
    }
    const std::size_t node = i ^ ((unit >> 10U) << ((unit & (1U << 9U)) >> 6U));
    require((node | 0xFFU) < units.size(), ErrorKind::format, "{}: the trie of the normalization rules leads outside",
            where);
    const bool has_value = ((unit >> 8U) & 1U) != 0;
    // A replacement begins where another one ends, hence never inside a character.
    const std::size_t value = units[node] & 0x7FFFFFFFU;
    require(!has_value || (value < replacements.size() && (value == 0 || replacements[value - 1] == '\0')),
            ErrorKind::format, "{}: a normalization rule leads outside", where);
  }
}

void read_trainer(std::string_view bytes, SentencePieceModel& model, std::string_view where) {
  Fields fields(bytes, where);
  while (fields.next()) {
    if (fields.is(3, kVarint)) {
      require(fields.value() == 1 || fields.value() == 2, ErrorKind::unsupported,
              "{}: only unigram (1) and BPE (2) models are supported, got type {}", where, fields.value());
      model.algorithm = static_cast<SentencePieceModel::Algorithm>(fields.value());
    } else if (fields.is(24, kVarint)) {
      model.whitespace_as_suffix = fields.value() != 0;
    } else if (fields.is(35, kVarint)) {
      model.byte_fallback = fields.value() != 0;
    } else if (fields.is(44, kBytes)) {
      model.unk_surface = replace_invalid_utf8(fields.content());
    } else if (fields.is(46, kBytes)) {
      model.bos_piece = fields.content();
    } else if (fields.is(47, kBytes)) {
      model.eos_piece = fields.content();
    }
  }
}

void read_normalizer(std::string_view bytes, SentencePieceModel& model, std::string_view where) {
  Fields fields(bytes, where);
  while (fields.next()) {
    if (fields.is(2, kBytes)) {
      read_charsmap(fields.content(), model, where);
    } else if (fields.is(3, kVarint)) {
      model.add_dummy_prefix = fields.value() != 0;
    } else if (fields.is(4, kVarint)) {
      model.remove_extra_whitespaces = fields.value() != 0;
    } else if (fields.is(5, kVarint)) {
      model.escape_whitespaces = fields.value() != 0;
    }
  }
}

}  // namespace

SentencePieceModel read_sentencepiece_model(std::string_view bytes, std::string_view where) {
  SentencePieceModel model;
  std::unordered_set<std::string> seen;
  int unknown = 0;
  Fields fields(bytes, where);
  while (fields.next()) {
    if (fields.is(1, kBytes)) {
      model.pieces.push_back(read_piece(fields.content(), where));
      const auto& entry = model.pieces.back();
      unknown += entry.type == SentencePieceModel::Type::unknown ? 1 : 0;
      require(seen.insert(entry.piece).second, ErrorKind::format, "{}: the piece \"{}\" comes twice", where,
              entry.piece.substr(0, 80));
    } else if (fields.is(2, kBytes)) {
      read_trainer(fields.content(), model, where);
    } else if (fields.is(3, kBytes)) {
      read_normalizer(fields.content(), model, where);
    }
  }
  require(!model.pieces.empty() && static_cast<int64_t>(model.pieces.size()) < Vocab::kMaxId, ErrorKind::format,
          "{} must be a SentencePiece model with 1 to {} pieces, got {}", where, Vocab::kMaxId, model.pieces.size());
  require(unknown == 1, ErrorKind::format, "{} must have exactly one unknown piece, got {}", where, unknown);
  return model;
}

}  // namespace dstorch::text
