#include "text/normalizers.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "text/byte_level.h"
#include "text/metaspace.h"
#include "text/regex.h"
#include "text/unicode.h"
#include "text/unicode_forms.h"
#include "text/utf8.h"

namespace dstorch::text {
namespace {

constexpr std::string_view kNormalizer = "normalizer";

void require_room(std::size_t bytes, const NormalizedText& text) {
  require(bytes <= text.most_bytes, ErrorKind::unsupported,
          "normalizer: a text must not become more than {} times longer, and {} bytes; this one would pass {} bytes",
          NormalizedText::kMostGrowth, NormalizedText::kMostAdded, text.most_bytes);
}

class SequenceNormalizer final : public Normalizer {
 public:
  explicit SequenceNormalizer(std::vector<std::unique_ptr<const Normalizer>> stages) : stages_(std::move(stages)) {}

  void rewrite(NormalizedText& text) const override {
    for (const auto& stage : stages_) {
      stage->apply(text);
    }
  }

 private:
  std::vector<std::unique_ptr<const Normalizer>> stages_;
};

class UnicodeNormalizer final : public Normalizer {
 public:
  explicit UnicodeNormalizer(UnicodeForm form) : form_(form) {}

  void rewrite(NormalizedText& text) const override {
    const std::size_t origin = to_unicode_form(text.text.substr(0, text.origin), form_).size();
    text.text = to_unicode_form(text.text, form_);
    text.origin = origin;
  }

 private:
  UnicodeForm form_;
};

// Each character becomes what `map(std::string& out, char32_t)` appends for it.
template <typename F>
class CharacterNormalizer final : public Normalizer {
 public:
  explicit CharacterNormalizer(F map) : map_(std::move(map)) {}

  void rewrite(NormalizedText& text) const override {
    std::string out;
    out.reserve(text.text.size());
    std::size_t origin = 0;
    for (std::size_t at = 0; at < text.text.size();) {
      const bool first = at < text.origin;
      map_(out, read_utf8(text.text, at));
      origin = first ? out.size() : origin;
    }
    text.text = std::move(out);
    text.origin = origin;
  }

 private:
  F map_;
};

template <typename F>
std::unique_ptr<const Normalizer> by_character(F map) {
  return std::make_unique<CharacterNormalizer<F>>(std::move(map));
}

class StripNormalizer final : public Normalizer {
 public:
  StripNormalizer(bool left, bool right) : left_(left), right_(right) {}

  void rewrite(NormalizedText& text) const override {
    std::string& s = text.text;
    std::size_t begin = 0;
    for (std::size_t at = 0; left_ && at < s.size() && is_space(read_utf8(s, at));) {
      begin = at;
    }
    std::size_t end = s.size();
    while (right_ && end > begin) {
      const std::size_t start = previous_utf8(s, end);
      std::size_t at = start;
      if (!is_space(read_utf8(s, at))) {
        break;
      }
      end = start;
    }
    s.erase(end);
    s.erase(0, begin);
    text.origin = text.origin > begin ? std::min(text.origin - begin, s.size()) : 0;
  }

 private:
  bool left_;
  bool right_;
};

class ReplaceNormalizer final : public Normalizer {
 public:
  ReplaceNormalizer(const std::string& pattern, std::string content) : regex_(pattern), content_(std::move(content)) {}

  void rewrite(NormalizedText& text) const override {
    const std::string_view given = text.text;
    std::string out;
    std::size_t copied = 0;
    std::size_t origin = std::min(text.origin, given.size());
    regex_.for_each(given, [&](const Span& match) {
      out += given.substr(copied, match.begin - copied);
      out += content_;
      copied = match.end;
      require_room(out.size(), text);
      if (match.begin < text.origin) {
        origin = out.size();
      }
    });
    out += given.substr(copied);
    text.origin = std::min(origin, out.size());
    text.text = std::move(out);
  }

 private:
  Regex regex_;
  std::string content_;
};

// The same for a plain string, which most files have: a space for SentencePiece's mark.
class ReplaceStringNormalizer final : public Normalizer {
 public:
  ReplaceStringNormalizer(std::string pattern, std::string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}

  void rewrite(NormalizedText& text) const override {
    const std::string_view given = text.text;
    std::string out;
    out.reserve(given.size() + given.size() / 4);
    std::size_t copied = 0;
    std::size_t origin = text.origin;
    for (std::size_t at = given.find(pattern_); at != std::string_view::npos; at = given.find(pattern_, copied)) {
      out += given.substr(copied, at - copied);
      out += content_;
      copied = at + pattern_.size();
      require_room(out.size(), text);
      if (at < text.origin) {
        origin = out.size();
      }
    }
    out += given.substr(copied);
    text.origin = std::min(origin, out.size());
    text.text = std::move(out);
  }

 private:
  std::string pattern_;
  std::string content_;
};

class PrependNormalizer final : public Normalizer {
 public:
  explicit PrependNormalizer(std::string prefix) : prefix_(std::move(prefix)) {}

  void rewrite(NormalizedText& text) const override {
    if (!text.text.empty()) {
      text.text.insert(0, prefix_);
      text.origin += text.origin > 0 ? prefix_.size() : 0;
    }
  }

 private:
  std::string prefix_;
};

class ByteLevelNormalizer final : public Normalizer {
 public:
  void rewrite(NormalizedText& text) const override {
    std::string out;
    append_byte_level(std::string_view(text.text).substr(0, text.origin), out);
    const std::size_t origin = out.size();
    append_byte_level(std::string_view(text.text).substr(std::min(text.origin, text.text.size())), out);
    text.text = std::move(out);
    text.origin = origin;
  }
};

// The clean-up rules of SentencePiece's nmt_nfkc.
void append_nmt(std::string& out, char32_t c) {
  const bool dropped =
      (c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F || c == 0x8F || c == 0x9F;
  if (dropped) {
    return;
  }
  const bool space = c == 0x09 || c == 0x0A || c == 0x0C || c == 0x0D || c == 0x1680 || (c >= 0x200B && c <= 0x200F) ||
                     c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
  append_utf8(out, space ? U' ' : c);
}

void append_unless_mark(std::string& out, char32_t c) {
  if (!is_mark(c)) {
    append_utf8(out, c);
  }
}

std::unique_ptr<const Normalizer> make_replace_normalizer(const Json& json) {
  const auto content = json_get<std::string>(json, "content", kNormalizer);
  const auto regex = parse_pattern(json, kNormalizer);
  const auto& pattern = json["pattern"];
  if (pattern.contains("String")) {
    auto text = json_get<std::string>(pattern, "String", kNormalizer);
    if (!text.empty()) {
      return std::make_unique<ReplaceStringNormalizer>(std::move(text), content);
    }
  }
  return std::make_unique<ReplaceNormalizer>(regex, content);
}

std::unique_ptr<const Normalizer> make_normalizer_sequence(const Json& json) {
  std::vector<std::unique_ptr<const Normalizer>> stages;
  for (const Json& stage : json_get<Json>(json, "normalizers", kNormalizer)) {
    if (auto normalizer = make_normalizer(stage)) {
      stages.push_back(std::move(normalizer));
    }
  }
  return std::make_unique<SequenceNormalizer>(std::move(stages));
}

}  // namespace

void Normalizer::apply(NormalizedText& text) const {
  rewrite(text);
  // What comes next may have become one with the first character: it then stems from it as a whole.
  while (text.origin > 0 && text.origin < text.text.size() &&
         (static_cast<unsigned char>(text.text[text.origin]) & 0xC0U) == 0x80U) {
    ++text.origin;
  }
  require_room(text.text.size(), text);
}

std::unique_ptr<const Normalizer> make_normalizer(const Json& json) {
  if (json.is_null()) {
    return nullptr;
  }
  const auto type = json_get<std::string>(json, "type", kNormalizer);
  if (type == "Sequence") {
    return make_normalizer_sequence(json);
  }
  if (type == "NFC") {
    return std::make_unique<UnicodeNormalizer>(UnicodeForm::nfc);
  }
  if (type == "NFD") {
    return std::make_unique<UnicodeNormalizer>(UnicodeForm::nfd);
  }
  if (type == "NFKC") {
    return std::make_unique<UnicodeNormalizer>(UnicodeForm::nfkc);
  }
  if (type == "NFKD") {
    return std::make_unique<UnicodeNormalizer>(UnicodeForm::nfkd);
  }
  if (type == "Lowercase") {
    return by_character(append_lowercase);
  }
  if (type == "Strip") {
    return std::make_unique<StripNormalizer>(json_get_or<bool>(json, "strip_left", true, kNormalizer),
                                             json_get_or<bool>(json, "strip_right", true, kNormalizer));
  }
  if (type == "StripAccents") {
    return by_character(append_unless_mark);
  }
  if (type == "Replace") {
    return make_replace_normalizer(json);
  }
  if (type == "Prepend") {
    return std::make_unique<PrependNormalizer>(json_get<std::string>(json, "prepend", kNormalizer));
  }
  if (type == "ByteLevel") {
    return std::make_unique<ByteLevelNormalizer>();
  }
  if (type == "Nmt") {
    return by_character(append_nmt);
  }
  fail(ErrorKind::unsupported,
       "normalizer \"{}\" is not supported; known are NFC, NFD, NFKC, NFKD, Lowercase, Strip, StripAccents, Replace, "
       "Prepend, ByteLevel, Nmt and Sequence",
       type);
}

}  // namespace dstorch::text
