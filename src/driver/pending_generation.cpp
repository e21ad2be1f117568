#include "core/throw.h"
#include "driver/guarded.h"
#include "driver/pending_generation_state.h"
#include "dstorch/generation.h"

namespace dstorch {

using Clock = std::chrono::steady_clock;

PendingGeneration::State::State(std::shared_ptr<engine::Outbox> outbox, TokenCallback on_token, int64_t prompt_tokens,
                                uint64_t seed)
    : outbox_(std::move(outbox)), on_token_(std::move(on_token)) {
  result_.seed = seed;
  result_.usage.prompt_tokens = prompt_tokens;
}

PendingGeneration::State::State(GenerationResult result, TokenCallback on_token)
    : outbox_(std::make_shared<engine::Outbox>(std::nullopt)), on_token_(std::move(on_token)) {
  engine::Ending ending;
  ending.reason = result.finish_reason;
  ending.text = std::move(result.text);
  outbox_->end(std::move(ending));
}

PendingGeneration::State::~State() { outbox_->cancel(); }

GenerationResult PendingGeneration::State::wait() {
  while (!ended_) {
    receive(Time::max());
  }
  if (error_) {
    driver::guarded([&] { std::rethrow_exception(error_); });
  }
  return std::move(result_);
}

bool PendingGeneration::State::poll() {
  if (!ended_) {
    receive(Clock::now());
  }
  return ended_;
}

void PendingGeneration::State::receive(Time until) {
  auto news = outbox_->take(until);
  result_.usage.cached_tokens = news.cached_tokens;
  result_.timings.drafted_tokens = news.drafted_tokens;
  result_.timings.accepted_tokens = news.accepted_tokens;
  for (auto& made : news.made) {
    if (outbox_->cancelled()) {
      break;
    }
    take_in(made);
    if (ended_) {
      return;
    }
  }
  if (outbox_->cancelled() && !(news.ending && news.made.empty())) {
    end_as_cancelled();
  } else if (news.error) {
    error_ = news.error;
    ended_ = true;
  } else if (news.ending) {
    finish(*news.ending);
  }
}

void PendingGeneration::State::take_in(engine::TokenMade& made) {
  if (result_.tokens.empty()) {
    result_.timings.prompt_seconds = made.seconds;
  }
  result_.tokens.push_back(made.token);
  result_.timings.token_seconds.push_back(made.seconds);
  if (made.logprob) {
    result_.logprobs.push_back(std::move(*made.logprob));
  }
  if (!release(made.text)) {
    end_as_cancelled();
  }
}

void PendingGeneration::State::finish(engine::Ending& ending) {
  result_.finish_reason = ending.reason;
  result_.stop_sequence = std::move(ending.stop_sequence);
  result_.timings.prompt_seconds = ending.timings.prompt_seconds;
  result_.timings.generation_seconds = ending.timings.generation_seconds;
  if (!release(ending.text)) {
    result_.finish_reason = FinishReason::cancelled;
  }
  result_.usage.completion_tokens = static_cast<int64_t>(result_.tokens.size());
  ended_ = true;
}

bool PendingGeneration::State::release(const std::string& text) {
  if (text.empty()) {
    return true;
  }
  result_.text += text;
  return !on_token_ || on_token_(text);
}

void PendingGeneration::State::end_as_cancelled() {
  outbox_->cancel();
  ended_ = true;
  result_.finish_reason = FinishReason::cancelled;
  result_.usage.completion_tokens = static_cast<int64_t>(result_.tokens.size());
  const auto seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  if (result_.tokens.empty()) {
    result_.timings.prompt_seconds = seconds;
  }
  result_.timings.generation_seconds = seconds - result_.timings.prompt_seconds;
}

PendingGeneration::PendingGeneration(std::unique_ptr<State> state) : state_(std::move(state)) {}
PendingGeneration::PendingGeneration(PendingGeneration&&) noexcept = default;
PendingGeneration& PendingGeneration::operator=(PendingGeneration&&) noexcept = default;
PendingGeneration::~PendingGeneration() = default;

GenerationResult PendingGeneration::wait() { return state_->wait(); }
bool PendingGeneration::poll() { return state_->poll(); }
void PendingGeneration::notify(std::function<void()> on_news) { state_->notify(std::move(on_news)); }
void PendingGeneration::cancel() const noexcept { state_->cancel(); }

}  // namespace dstorch
