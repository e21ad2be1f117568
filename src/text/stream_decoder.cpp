#include <utility>

#include "core/throw.h"
#include "dstorch/tokenizer.h"
#include "text/match_budget.h"
#include "text/streaming_tokenizer.h"
#include "text/utf8.h"

namespace dstorch {
namespace text {

std::string StreamingTokenizer::decode(std::span<const int64_t> ids, bool skip_special_tokens) const {
  constexpr std::size_t kBytesPerToken = 4;  // about
  const MatchBudget budget(ids.size() * kBytesPerToken);
  DecodeRun run(decoder());
  for (const int64_t id : ids) {
    push(id, skip_special_tokens, run);
  }
  run.finish();
  return run.take();
}

void StreamingTokenizer::push(int64_t id, bool skip_special_tokens, DecodeRun& run) const {
  require(id >= 0 && id < vocab_size(), ErrorKind::invalid_argument, "token ids must be in [0, {}), got {}",
          vocab_size(), id);
  if (skip_special_tokens && is_special(id)) {
    return;
  }
  if (const std::string token = id_to_token(id); !token.empty()) {
    run.push(token);
  }
}

// A token means what it adds between two others.
std::string StreamingTokenizer::token_bytes(int64_t id) const {
  constexpr std::string_view kOther = "a";
  if (id < 0 || id >= vocab_size() || is_special(id)) {
    return {};
  }
  const auto between = [&](std::string_view token) {
    DecodeRun run(decoder());
    run.keep_bytes();
    run.push(kOther);
    if (!token.empty()) {
      run.push(token);
    }
    run.push(kOther);
    run.finish();
    return run.take();
  };
  const auto token = id_to_token(id);
  if (token.empty()) {
    return {};
  }
  const auto without = between({});
  const auto text = between(token);
  const auto before = kOther.size();
  const auto after = without.size() - before;
  return text.size() < without.size() ? std::string() : text.substr(before, text.size() - before - after);
}

// For tokenizers from elsewhere, which can only decode all at once: shows what more text did not change so far.
class Redecoder {
 public:
  std::string push(const Tokenizer& tokenizer, int64_t id, bool skip_special_tokens) {
    ids_.push_back(id);
    std::string text = tokenizer.decode(ids_, skip_special_tokens);
    // An unfinished character shows as U+FFFD at the end, which the next id may replace.
    std::size_t end = text.size();
    while (std::string_view(text).substr(0, end).ends_with(kReplacement)) {
      end -= kReplacement.size();
    }
    if (end <= shown_.size() || !text.starts_with(shown_)) {
      return {};
    }
    std::string piece = text.substr(shown_.size(), end - shown_.size());
    shown_ += piece;
    return piece;
  }

  std::string finish(const Tokenizer& tokenizer, bool skip_special_tokens) {
    const std::string all = tokenizer.decode(ids_, skip_special_tokens);
    std::string rest = all.starts_with(shown_) ? all.substr(shown_.size()) : "";
    ids_.clear();
    shown_.clear();
    return rest;
  }

 private:
  std::vector<int64_t> ids_;
  std::string shown_;
};

}  // namespace text

struct StreamDecoder::State {
  State(std::shared_ptr<const Tokenizer> the_tokenizer, bool skip)
      : tokenizer(std::move(the_tokenizer)),
        streaming(dynamic_cast<const text::StreamingTokenizer*>(tokenizer.get())),
        skip_special_tokens(skip) {
    if (streaming != nullptr) {
      run.emplace(streaming->decoder());
    }
  }

  std::shared_ptr<const Tokenizer> tokenizer;
  const text::StreamingTokenizer* streaming;
  bool skip_special_tokens;
  std::optional<text::DecodeRun> run;
  text::Redecoder redecoder;
};

StreamDecoder::StreamDecoder(std::shared_ptr<const Tokenizer> tokenizer, bool skip_special_tokens) {
  require(tokenizer != nullptr, ErrorKind::invalid_argument, "StreamDecoder needs a tokenizer");
  state_ = std::make_unique<State>(std::move(tokenizer), skip_special_tokens);
}
StreamDecoder::~StreamDecoder() = default;
StreamDecoder::StreamDecoder(StreamDecoder&&) noexcept = default;
StreamDecoder& StreamDecoder::operator=(StreamDecoder&&) noexcept = default;

std::string StreamDecoder::push(int64_t id) {
  if (state_->streaming == nullptr) {
    return state_->redecoder.push(*state_->tokenizer, id, state_->skip_special_tokens);
  }
  state_->streaming->push(id, state_->skip_special_tokens, *state_->run);
  return state_->run->take();
}

std::string StreamDecoder::finish() {
  if (state_->streaming == nullptr) {
    return state_->redecoder.finish(*state_->tokenizer, state_->skip_special_tokens);
  }
  state_->run->finish();
  std::string rest = state_->run->take();
  state_->run.emplace(state_->streaming->decoder());
  return rest;
}

}  // namespace dstorch
