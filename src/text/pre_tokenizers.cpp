#include "text/pre_tokenizers.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "text/byte_level.h"
#include "text/fast_patterns.h"
#include "text/metaspace.h"
#include "text/split.h"
#include "text/unicode.h"
#include "text/unicode_scripts.h"
#include "text/utf8.h"

namespace dstorch::text {
namespace {

constexpr std::string_view kWhere = "pre_tokenizer";

// A byte-level piece as the characters it stands for: what a pre-tokenizer behind ByteLevel gets to see.
Piece spelled_out(const Piece& piece, Arena& arena) {
  if (!piece.byte_level) {
    return piece;
  }
  std::string& text = arena.make();
  append_byte_level(piece.text, text);
  std::string origin;
  append_byte_level(piece.text.substr(0, piece.origin), origin);
  return {text, origin.size(), false};
}

class PassThrough final : public PreTokenizer {
 public:
  void split(const Piece& piece, Arena&, const PieceSink& sink) const override { sink(piece); }
};

class SequencePreTokenizer final : public PreTokenizer {
 public:
  explicit SequencePreTokenizer(std::vector<std::unique_ptr<const PreTokenizer>> stages) : stages_(std::move(stages)) {}

  void split(const Piece& piece, Arena& arena, const PieceSink& sink) const override { run(0, piece, arena, sink); }

 private:
  void run(std::size_t stage, const Piece& piece, Arena& arena, const PieceSink& sink) const {
    if (stage == stages_.size()) {
      sink(piece);
    } else if (stage + 1 == stages_.size()) {
      stages_[stage]->split(spelled_out(piece, arena), arena, sink);
    } else {
      const auto next = [&](const Piece& part) {
        if (!part.text.empty()) {
          run(stage + 1, part, arena, sink);
        }
      };
      stages_[stage]->split(spelled_out(piece, arena), arena, next);
    }
  }

  std::vector<std::unique_ptr<const PreTokenizer>> stages_;
};

void split_fast(FastPattern pattern, const Piece& piece, const PieceSink& sink) {
  for (std::size_t at = 0; at < piece.text.size();) {
    const std::size_t end = match_end(pattern, piece.text, at);
    sink(piece.part(at, end));
    at = end;
  }
}

class ByteLevelPreTokenizer final : public PreTokenizer {
 public:
  ByteLevelPreTokenizer(bool add_prefix_space, bool use_regex)
      : add_prefix_space_(add_prefix_space), use_regex_(use_regex) {}

  void split(const Piece& given, Arena& arena, const PieceSink& sink) const override {
    Piece piece = given;
    if (add_prefix_space_ && !piece.text.empty() && !piece.text.starts_with(' ')) {
      std::string& text = arena.make();
      text.reserve(piece.text.size() + 1);
      text += ' ';
      text += piece.text;
      piece.text = text;
      piece.origin += piece.origin > 0 ? 1 : 0;
    }
    piece.byte_level = true;
    if (use_regex_) {
      split_fast(FastPattern::gpt2, piece, sink);
    } else {
      sink(piece);
    }
  }

 private:
  bool add_prefix_space_;
  bool use_regex_;
};

class SplitPreTokenizer final : public PreTokenizer {
 public:
  SplitPreTokenizer(const std::string& pattern, SplitBehavior behavior, bool invert)
      : regex_(pattern), behavior_(behavior), invert_(invert) {
    // All text is matched, so "removed" of the inverse keeps it all, like "isolated".
    const bool keeps_all = behavior == SplitBehavior::isolated || (behavior == SplitBehavior::removed && invert);
    if (keeps_all) {
      fast_ = fast_pattern(pattern);
    }
  }

  void split(const Piece& piece, Arena&, const PieceSink& sink) const override {
    if (fast_) {
      split_fast(*fast_, piece, sink);
    } else {
      split_segments(piece, segments_by_regex(piece.text, regex_, invert_), behavior_, sink);
    }
  }

 private:
  Regex regex_;
  SplitBehavior behavior_;
  bool invert_;
  std::optional<FastPattern> fast_;
};

// Delimiters are single characters of some kind.
template <typename F>
class CharacterPreTokenizer final : public PreTokenizer {
 public:
  CharacterPreTokenizer(F is_delimiter, SplitBehavior behavior)
      : is_delimiter_(std::move(is_delimiter)), behavior_(behavior) {}

  void split(const Piece& piece, Arena&, const PieceSink& sink) const override {
    split_segments(piece, segments_by_character(piece.text, is_delimiter_), behavior_, sink);
  }

 private:
  F is_delimiter_;
  SplitBehavior behavior_;
};

template <typename F>
std::unique_ptr<const PreTokenizer> by_character(F is_delimiter, SplitBehavior behavior) {
  return std::make_unique<CharacterPreTokenizer<F>>(std::move(is_delimiter), behavior);
}

// \w+|[^\w\s]+
class WhitespacePreTokenizer final : public PreTokenizer {
 public:
  void split(const Piece& piece, Arena&, const PieceSink& sink) const override {
    enum class Kind { space, word, other };
    const auto kind_of = [](char32_t c) { return is_word(c) ? Kind::word : is_space(c) ? Kind::space : Kind::other; };
    std::size_t open = 0;
    Kind kind = Kind::space;
    for (std::size_t at = 0; at < piece.text.size();) {
      const std::size_t start = at;
      const Kind next = kind_of(read_utf8(piece.text, at));
      if (next != kind) {
        if (kind != Kind::space) {
          sink(piece.part(open, start));
        }
        open = start;
        kind = next;
      }
    }
    if (kind != Kind::space) {
      sink(piece.part(open, piece.text.size()));
    }
  }
};

class FixedLengthPreTokenizer final : public PreTokenizer {
 public:
  explicit FixedLengthPreTokenizer(std::size_t length) : length_(length) {}

  void split(const Piece& piece, Arena&, const PieceSink& sink) const override {
    for (std::size_t at = 0; at < piece.text.size();) {
      const std::size_t start = at;
      for (std::size_t i = 0; i < length_ && at < piece.text.size(); ++i) {
        read_utf8(piece.text, at);
      }
      sink(piece.part(start, at));
    }
  }

 private:
  std::size_t length_;
};

class MetaspacePreTokenizer final : public PreTokenizer {
 public:
  explicit MetaspacePreTokenizer(const MetaspaceOptions& options) : options_(options) {}

  void split(const Piece& piece, Arena& arena, const PieceSink& sink) const override {
    const std::string& mark = options_.replacement;
    std::string& text = arena.make();
    text.reserve(piece.text.size() + piece.text.size() / 3 + mark.size());
    const bool prepend = options_.prepend == MetaspaceOptions::Prepend::always ||
                         (options_.prepend == MetaspaceOptions::Prepend::first && piece.origin > 0);
    if (prepend && !piece.text.empty() && !piece.text.starts_with(mark) && !piece.text.starts_with(' ')) {
      text += mark;
    }
    const std::size_t prefix = text.size();
    std::size_t origin = piece.origin > 0 ? prefix + piece.origin : 0;
    for (std::size_t at = 0; at < piece.text.size();) {
      const std::size_t space = std::min(piece.text.find(' ', at), piece.text.size());
      text += piece.text.substr(at, space - at);
      if (space < piece.text.size()) {
        text += mark;
        origin += space < piece.origin ? mark.size() - 1 : 0;
      }
      at = space + 1;
    }
    const Piece whole{text, origin, false};
    if (!options_.split) {
      sink(whole);
      return;
    }
    std::vector<Segment> segments;
    std::size_t open = 0;
    for (std::size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at + mark.size())) {
      if (open < at) {
        segments.push_back({{open, at}, false});
      }
      segments.push_back({{at, at + mark.size()}, true});
      open = at + mark.size();
    }
    if (open < text.size()) {
      segments.push_back({{open, text.size()}, false});
    }
    split_segments(whole, segments, SplitBehavior::merged_with_next, sink);
  }

 private:
  MetaspaceOptions options_;
};

/// The number of a character's script; 0 for one that has none.
uint8_t script_of(char32_t c) {
  const auto* range = std::lower_bound(std::begin(unicode::kScripts), std::end(unicode::kScripts), c,
                                       [](const auto& row, char32_t point) { return row.last < point; });
  return range != std::end(unicode::kScripts) && range->first <= c ? range->script : 0;
}

/// Pieces of one script each. A character without one belongs to what is before it; with nothing before it, it is left
/// out, as tokenizers does.
class UnicodeScriptsPreTokenizer final : public PreTokenizer {
 public:
  void split(const Piece& piece, Arena&, const PieceSink& sink) const override {
    std::size_t begin = 0;
    uint8_t before = 0;
    for (std::size_t at = 0; at < piece.text.size();) {
      const std::size_t start = at;
      const uint8_t script = script_of(read_utf8(piece.text, at));
      if (script == 0) {
        continue;
      }
      if (before != 0 && script != before) {
        sink(piece.part(begin, start));
      }
      begin = script != before ? start : begin;
      before = script;
    }
    if (before != 0) {
      sink(piece.part(begin, piece.text.size()));
    }
  }
};

std::unique_ptr<const PreTokenizer> make_split(const Json& json) {
  const auto behavior = parse_split_behavior(json_get<std::string>(json, "behavior", kWhere));
  return std::make_unique<SplitPreTokenizer>(parse_pattern(json, kWhere), behavior,
                                             json_get_or<bool>(json, "invert", false, kWhere));
}

std::unique_ptr<const PreTokenizer> make_sequence(const Json& json) {
  std::vector<std::unique_ptr<const PreTokenizer>> stages;
  for (const Json& stage : json_get<Json>(json, "pretokenizers", kWhere)) {
    stages.push_back(make_pre_tokenizer(stage));
  }
  return std::make_unique<SequencePreTokenizer>(std::move(stages));
}

std::unique_ptr<const PreTokenizer> make_bert() {
  std::vector<std::unique_ptr<const PreTokenizer>> stages;
  stages.push_back(by_character(is_space, SplitBehavior::removed));
  stages.push_back(by_character(is_punctuation, SplitBehavior::isolated));
  return std::make_unique<SequencePreTokenizer>(std::move(stages));
}

}  // namespace

std::unique_ptr<const PreTokenizer> make_byte_level_pre_tokenizer(bool add_prefix_space) {
  return std::make_unique<ByteLevelPreTokenizer>(add_prefix_space, true);
}

std::unique_ptr<const PreTokenizer> make_pre_tokenizer(const Json& json) {
  if (json.is_null()) {
    return std::make_unique<PassThrough>();
  }
  const auto type = json_get<std::string>(json, "type", kWhere);
  if (type == "Sequence") {
    return make_sequence(json);
  }
  if (type == "ByteLevel") {
    return std::make_unique<ByteLevelPreTokenizer>(json_get_or<bool>(json, "add_prefix_space", true, kWhere),
                                                   json_get_or<bool>(json, "use_regex", true, kWhere));
  }
  if (type == "Split") {
    return make_split(json);
  }
  if (type == "Digits") {
    const bool alone = json_get_or<bool>(json, "individual_digits", false, kWhere);
    return by_character(is_number, alone ? SplitBehavior::isolated : SplitBehavior::contiguous);
  }
  if (type == "Punctuation") {
    const auto behavior = json_get_or<std::string>(json, "behavior", "Isolated", kWhere);
    return by_character(is_punctuation, parse_split_behavior(behavior));
  }
  if (type == "Whitespace") {
    return std::make_unique<WhitespacePreTokenizer>();
  }
  if (type == "WhitespaceSplit") {
    return by_character(is_space, SplitBehavior::removed);
  }
  if (type == "Metaspace") {
    return std::make_unique<MetaspacePreTokenizer>(parse_metaspace(json, kWhere));
  }
  if (type == "BertPreTokenizer") {
    return make_bert();
  }
  if (type == "CharDelimiterSplit") {
    const auto text = json_get<std::string>(json, "delimiter", kWhere);
    std::size_t at = 0;
    require(!text.empty() && utf8_length(text[0]) == text.size(), ErrorKind::format,
            "{}: \"delimiter\" must be one character, got \"{}\"", kWhere, text);
    const char32_t delimiter = read_utf8(text, at);
    return by_character([delimiter](char32_t c) { return c == delimiter; }, SplitBehavior::removed);
  }
  if (type == "UnicodeScripts") {
    return std::make_unique<UnicodeScriptsPreTokenizer>();
  }
  if (type == "FixedLength") {
    const auto length = json_get_or<int64_t>(json, "length", 5, kWhere);
    require(length > 0, ErrorKind::format, "{}: \"length\" must be positive, got {}", kWhere, length);
    return std::make_unique<FixedLengthPreTokenizer>(static_cast<std::size_t>(length));
  }
  fail(ErrorKind::unsupported,
       "pre_tokenizer \"{}\" is not supported; known are ByteLevel, Split, Digits, Punctuation, Whitespace, "
       "WhitespaceSplit, Metaspace, BertPreTokenizer, CharDelimiterSplit, UnicodeScripts, FixedLength "
       "and Sequence",
       type);
}

}  // namespace dstorch::text
