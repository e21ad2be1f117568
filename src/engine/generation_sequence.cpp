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
                                       std::set<int64_t> end_tokens, std::shared_ptr<Outbox> outbox,
                                       std::shared_ptr<AnswerConstraint> constraint)
    : Sequence(prompt, static_cast<int64_t>(prompt.size()) + max_tokens),
      sampler_(options, seed),
      text_(std::move(tokenizer), options),
      end_tokens_(options.ignore_eos ? std::set<int64_t>() : std::move(end_tokens)),
      outbox_(std::move(outbox)),
      constraint_(std::move(constraint)),
      asks_always_(options.logprobs.has_value()),
      guesses_(options.speculation) {
  sampler_.add_prompt(tokens());
  if (constraint_) {
    sampler_.constrain(constraint_);
    jump_ahead();
  }
}

// While tokens are forced nothing needs to be guessed. The answer's very last token never goes through the model, so
// that there is room for one token less.
int64_t GenerationSequence::room_to_guess(int64_t most) const {
  return forced_.empty() ? std::min(most, capacity() - length() - 1) : 0;
}

Draft GenerationSequence::draft(int64_t most) {
  return guesses_.look_up(tokens(), room_to_guess(most),
                          [this](std::span<const int64_t> guess) { return plausible(guess); });
}

Draft GenerationSequence::model_draft(std::span<const int64_t> tokens, std::span<const double> confidences) {
  const auto room = room_to_guess(std::ssize(tokens));
  return guesses_.of_model(
      tokens.first(static_cast<std::size_t>(plausible(tokens.first(static_cast<std::size_t>(room))))), confidences);
}

/// How many of `tokens` could come at all: none from an end token on, and none that the constraint forbids.
int64_t GenerationSequence::plausible(std::span<const int64_t> tokens) {
  const auto end =
      std::find_if(tokens.begin(), tokens.end(), [&](int64_t token) { return end_tokens_.contains(token); });
  const auto before_end = tokens.first(static_cast<std::size_t>(end - tokens.begin()));
  return constraint_ ? constraint_->may_follow(before_end) : std::ssize(before_end);
}

// A row's logits are valid as long as all tokens that were tried before it came true.
void GenerationSequence::on_logits(std::span<float> logits, int64_t rows) {
  const auto vocab = logits.size() / static_cast<std::size_t>(rows);
  const auto before = length();
  int64_t row = 0;
  do {
    draw(logits.subspan(static_cast<std::size_t>(row) * vocab, vocab));
    row = length() - before;
  } while (!finished() && row < rows && true_drafts() == row);
  guesses_.learn(tokens().subspan(static_cast<std::size_t>(before)), std::ssize(drafts()));
}

void GenerationSequence::draw(std::span<float> logits) {
  std::optional<int64_t> forced;
  if (!forced_.empty()) {
    forced = forced_.front();
    forced_.pop_front();
  }
  const auto token = sampler_.next(logits, forced);
  if (first_token_ == Clock::time_point{}) {
    first_token_ = Clock::now();
  }
  take(token);
  if (constraint_ && forced_.empty()) {
    jump_ahead();
  }
}

// The token becomes part of the answer, which may end with it.
void GenerationSequence::take(int64_t token) {
  add(token);
  const bool last = end_tokens_.contains(token);
  std::string text;
  if (!last) {
    text = constraint_ ? text_.push_bytes(constraint_->bytes_of(token)) : text_.push(token);
  }
  made_.push_back({token, std::move(text), sampler_.logprob(), seconds_between(start_, Clock::now())});
  if (last || text_.stop_sequence() || (constraint_ && constraint_->over())) {
    end(FinishReason::stop);
  } else if (length() == capacity()) {
    end(FinishReason::length);
  }
}

// Takes what the constraint forces without asking the model for it.
void GenerationSequence::jump_ahead() {
  if (ending_) {
    return;
  }
  if (constraint_->over()) {
    end(FinishReason::stop);  // the empty text
    return;
  }
  const auto forced = constraint_->forced(tokens());
  if (asks_always_) {
    forced_.assign(forced.begin(), forced.end());
    return;
  }
  for (const auto token : forced) {
    sampler_.skip(token);
    take(token);
  }
}

void GenerationSequence::deliver() {
  outbox_->speculated(guesses_.drafted(), guesses_.accepted());
  for (auto& made : made_) {
    outbox_->push(std::move(made));
  }
  made_.clear();
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
