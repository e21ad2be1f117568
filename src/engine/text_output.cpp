#include "engine/text_output.h"

#include <algorithm>
#include <utility>

namespace dstorch::engine {

TextOutput::TextOutput(std::shared_ptr<const Tokenizer> tokenizer, const GenerationOptions& options)
    : stops_(options.stop_sequences), tokenizer_(std::move(tokenizer)) {
  if (!tokenizer_) {
    return;
  }
  vocab_size_ = tokenizer_->vocab_size();
  decoder_.emplace(tokenizer_, options.skip_special_tokens);
  if (options.skip_special_tokens) {
    watched_ = options.stop_sequences;
  }
}

std::string TextOutput::push(int64_t token) {
  if (token >= vocab_size_) {
    return {};
  }
  auto text = release(decoder_->push(token));
  return text + release(hidden_text(token), true);
}

std::string TextOutput::hidden_text(int64_t token) const {
  if (watched_.empty() || !tokenizer_->is_special(token)) {
    return {};
  }
  auto content = tokenizer_->id_to_token(token);
  const bool seen = std::any_of(watched_.begin(), watched_.end(), [&](const std::string& stop) {
    return !content.empty() && stop.find(content) != std::string::npos;
  });
  return seen ? content : std::string();
}

std::string TextOutput::push_bytes(std::string_view bytes) {
  std::string text;
  assembler_.push(bytes, text);
  return text;
}

std::string TextOutput::finish() {
  if (!decoder_ || stop_) {
    return {};
  }
  auto text = release(decoder_->finish());
  return stop_ ? text : text + visible_part(stops_.finish());
}

std::string TextOutput::release(const std::string& piece, bool hidden) {
  if (piece.empty() || stop_) {
    return {};
  }
  runs_.push_back({piece.size(), hidden});
  auto released = stops_.push(piece);
  stop_ = std::move(released.stop);
  return visible_part(released.text);
}

/// Takes `text` from the front of what was held back and returns the part of it that is not hidden.
std::string TextOutput::visible_part(const std::string& text) {
  std::string visible;
  for (std::size_t at = 0; at < text.size();) {
    auto& run = runs_.front();
    const auto count = std::min(run.bytes, text.size() - at);
    if (!run.hidden) {
      visible.append(text, at, count);
    }
    at += count;
    run.bytes -= count;
    if (run.bytes == 0) {
      runs_.pop_front();
    }
  }
  return visible;
}

}  // namespace dstorch::engine
