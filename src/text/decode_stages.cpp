#include "text/decode_stages.h"

#include <array>
#include <charconv>
#include <utility>

#include "text/byte_level.h"

namespace dstorch::text {
namespace {

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  std::size_t at = from.empty() ? std::string::npos : text.find(from);
  if (at == std::string::npos) {
    return;
  }
  std::string out;
  std::size_t copied = 0;
  for (; at != std::string::npos; at = text.find(from, copied)) {
    out.append(text, copied, at - copied).append(to);
    copied = at + from.size();
  }
  text = out.append(text, copied);
}

// The byte that "<0x41>" stands for, or -1.
int fallback_byte(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || !token.ends_with('>')) {
    return -1;
  }
  unsigned byte = 0;
  const char* end = token.data() + 5;
  const auto result = std::from_chars(token.data() + 3, end, byte, 16);
  return result.ec == std::errc() && result.ptr == end ? static_cast<int>(byte) : -1;
}

}  // namespace

void ByteLevelStage::take(std::string& token) {
  bytes_.clear();
  text_.clear();
  append_from_byte_level(token, bytes_);
  if (keeps_bytes_) {
    next().push(bytes_);
    return;
  }
  assembler_.push(bytes_, text_);
  if (!text_.empty()) {
    next().push(text_);
  }
}

void ByteLevelStage::finish() {
  text_.clear();
  assembler_.finish(text_);
  next().push(text_);
  next().end_token();
  next().finish();
}

void ByteFallbackStage::take(std::string& token) {
  const int byte = fallback_byte(token);
  if (byte >= 0) {
    bytes_.push_back(static_cast<char>(static_cast<unsigned char>(byte)));
    return;
  }
  flush();
  emit(token);
}

void ByteFallbackStage::flush() {
  if (bytes_.empty()) {
    return;
  }
  if (keeps_bytes_ || is_valid_utf8(bytes_)) {
    emit(bytes_);
  } else {
    for (std::size_t i = 0; i < bytes_.size(); ++i) {
      emit(kReplacement);
    }
  }
  bytes_.clear();
}

void ByteFallbackStage::finish() {
  flush();
  next().finish();
}

void StripStage::push(std::string_view fragment) {
  while (!inside_ && stripped_ < start_ && fragment.starts_with(content_)) {
    fragment.remove_prefix(content_.size());
    ++stripped_;
  }
  if (fragment.empty()) {
    return;
  }
  inside_ = true;
  std::size_t end = fragment.size();
  std::size_t trailing = 0;
  while (trailing < stop_ && fragment.substr(0, end).ends_with(content_)) {
    end -= content_.size();
    ++trailing;
  }
  // A fragment of `content` alone makes the held run longer; the part beyond `stop_` is let go.
  const std::size_t keep = end == 0 ? std::min(held_, stop_ - trailing) : 0;
  for (; held_ > keep; --held_) {
    next().push(content_);
  }
  next().push(fragment.substr(0, end));
  held_ = keep + trailing;
}

void StripStage::end_token() {
  stripped_ = 0;
  inside_ = false;
  held_ = 0;
  next().end_token();
}

void ReplaceCharacterStage::push(std::string_view fragment) {
  std::size_t begin = 0;
  for (std::size_t at = fragment.find(character_); at != std::string_view::npos;
       at = fragment.find(character_, begin)) {
    grow(content_.size());
    next().push(fragment.substr(begin, at - begin));
    next().push(content_);
    begin = at + character_.size();
  }
  next().push(fragment.substr(begin));
}

void ReplaceStage::take(std::string& token) {
  const std::string_view given = token;
  std::string out;
  std::size_t copied = 0;
  regex_->for_each(given, [&](const Span& match) {
    grow(content_.size());
    out += given.substr(copied, match.begin - copied);
    out += content_;
    copied = match.end;
  });
  out += given.substr(copied);
  emit(out);
}

void MetaspaceStage::push(std::string_view fragment) {
  std::size_t begin = 0;
  for (std::size_t at = fragment.find(mark_); at != std::string_view::npos; at = fragment.find(mark_, begin)) {
    next().push(fragment.substr(begin, at - begin));
    if (!drop_) {
      next().push(" ");
    }
    begin = at + mark_.size();
  }
  next().push(fragment.substr(begin));
}

void SuffixStage::flush(std::string_view replacement) {
  if (has_last_) {
    replace_all(last_, suffix_, replacement);
    emit(last_);
  }
}

void SuffixStage::take(std::string& token) {
  flush(" ");
  last_ = std::move(token);
  has_last_ = true;
}

void SuffixStage::finish() {
  flush("");
  has_last_ = false;
  next().finish();
}

void WordPieceStage::take(std::string& token) {
  if (!first_) {
    if (token.starts_with(prefix_)) {
      token.erase(0, prefix_.size());
    } else {
      token.insert(token.begin(), ' ');
    }
  }
  first_ = false;
  if (cleanup_) {
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 11> kRules = {{{" .", "."},
                                                                                              {" ?", "?"},
                                                                                              {" !", "!"},
                                                                                              {" ,", ","},
                                                                                              {" ' ", "'"},
                                                                                              {" n't", "n't"},
                                                                                              {" 'm", "'m"},
                                                                                              {" do not", " don't"},
                                                                                              {" 's", "'s"},
                                                                                              {" 've", "'ve"},
                                                                                              {" 're", "'re"}}};
    for (const auto& [from, to] : kRules) {
      replace_all(token, from, to);
    }
  }
  emit(token);
}

void JoinWithSpacesStage::take(std::string& token) {
  if (!first_) {
    next().push(" ");
  }
  first_ = false;
  emit(token);
}

}  // namespace dstorch::text
