#include "engine/text_output.h"

namespace dstorch::engine {

TextOutput::TextOutput(std::shared_ptr<const Tokenizer> tokenizer, const GenerationOptions& options)
    : stops_(options.stop_sequences) {
  if (tokenizer) {
    vocab_size_ = tokenizer->vocab_size();
    decoder_.emplace(std::move(tokenizer), options.skip_special_tokens);
  }
}

std::string TextOutput::push(int64_t token) { return token < vocab_size_ ? release(decoder_->push(token)) : ""; }

std::string TextOutput::finish() {
  if (!decoder_ || stop_) {
    return {};
  }
  auto text = release(decoder_->finish());
  return stop_ ? text : text + stops_.finish();
}

std::string TextOutput::release(const std::string& piece) {
  if (piece.empty() || stop_) {
    return {};
  }
  auto released = stops_.push(piece);
  stop_ = std::move(released.stop);
  return std::move(released.text);
}

}  // namespace dstorch::engine
