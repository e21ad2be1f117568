#include "engine/generation_sequence.h"

#include <utility>

namespace dstorch::engine {
namespace {

double seconds_between(std::chrono::steady_clock::time_point from, std::chrono::steady_clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

}  // namespace

GenerationSequence::GenerationSequence(std::vector<int64_t> prompt, const GenerationOptions& options,
                                       int64_t max_tokens, uint64_t seed, std::shared_ptr<const Tokenizer> tokenizer,
                                       std::set<int64_t> end_tokens, std::shared_ptr<Outbox> outbox)
    : Sequence(prompt, static_cast<int64_t>(prompt.size()) + max_tokens),
      sampler_(options, seed),
      text_(std::move(tokenizer), options),
      end_tokens_(options.ignore_eos ? std::set<int64_t>() : std::move(end_tokens)),
      outbox_(std::move(outbox)) {
  sampler_.add_prompt(tokens());
}

void GenerationSequence::on_logits(std::span<float> logits) {
  const auto token = sampler_.next(logits);
  const auto now = Clock::now();
  if (first_token_ == Clock::time_point{}) {
    first_token_ = now;
  }
  add(token);
  const bool last = end_tokens_.contains(token);
  made_ = {token, last ? std::string() : text_.push(token), sampler_.logprob(), seconds_between(start_, now)};
  if (last || text_.stop_sequence()) {
    end(FinishReason::stop);
  } else if (length() == capacity()) {
    end(FinishReason::length);
  }
}

void GenerationSequence::deliver() {
  if (made_) {
    outbox_->push(*std::exchange(made_, std::nullopt));
  }
  if (error_) {
    outbox_->fail(error_);
  } else if (ending_) {
    outbox_->end(*ending_);
  }
}

void GenerationSequence::end(FinishReason reason) {
  const auto now = Clock::now();
  Ending ending;
  ending.text = text_.finish();
  ending.stop_sequence = text_.stop_sequence();
  // A stop string may come with the last characters that were held back.
  ending.reason = ending.stop_sequence ? FinishReason::stop : reason;
  const bool begun = first_token_ != Clock::time_point{};
  ending.timings.prompt_seconds = seconds_between(start_, begun ? first_token_ : now);
  ending.timings.generation_seconds = begun ? seconds_between(first_token_, now) : 0;
  ending_ = std::move(ending);
}

}  // namespace dstorch::engine
