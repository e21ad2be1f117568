#include "generate/generator.h"

#include <algorithm>
#include <chrono>
#include <random>

#include "core/throw.h"
#include "generate/sampler.h"
#include "text/stop_matcher.h"

namespace dstorch::generate {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

uint64_t draw_seed() {
  std::random_device device;
  return (static_cast<uint64_t>(device()) << 32U) | device();
}

bool cancelled(const GenerationOptions& options) { return options.cancel && options.cancel->cancelled(); }

/// The text side of a generation: ids become whole characters, stop strings are held back, the callback is called.
class TextOutput {
 public:
  TextOutput(const Engine& engine, const GenerationOptions& options, GenerationResult& result)
      : options_(options), result_(result), stops_(options.stop_sequences) {
    if (engine.tokenizer) {
      decoder_.emplace(engine.tokenizer, options.skip_special_tokens);
      vocab_size_ = engine.tokenizer->vocab_size();
    }
  }

  /// False when generation should end: a stop string came, or the callback said so. Ids past the tokenizer's, which
  /// models have whose tables are padded, have no text.
  bool push(int64_t token) { return token >= vocab_size_ || emit(decoder_->push(token)); }

  /// Lets out what is still held back.
  void finish() {
    if (decoder_ && !result_.stop_sequence && emit(decoder_->finish())) {
      release(stops_.finish());
    }
  }

 private:
  bool emit(const std::string& piece) {
    if (piece.empty()) {
      return true;
    }
    auto released = stops_.push(piece);
    const bool go_on = release(released.text);
    if (released.stop) {
      result_.stop_sequence = std::move(released.stop);
      result_.finish_reason = FinishReason::stop;
      return false;
    }
    return go_on;
  }

  bool release(const std::string& text) {
    if (text.empty()) {
      return true;
    }
    result_.text += text;
    if (options_.on_token && !options_.on_token(text)) {
      result_.finish_reason = FinishReason::cancelled;
      return false;
    }
    return true;
  }

  const GenerationOptions& options_;
  GenerationResult& result_;
  text::StopMatcher stops_;
  std::optional<StreamDecoder> decoder_;
  int64_t vocab_size_ = 0;  // the tokenizer's; 0 without one
};

void check_context(const Engine& engine, int64_t prompt, int64_t max_tokens) {
  const int64_t room = engine.max_context - prompt;
  require(room >= 0, ErrorKind::context_overflow,
          "the prompt has {} tokens, {} more than the context of {}; shorten it", prompt, -room, engine.max_context);
  require(max_tokens <= room, ErrorKind::context_overflow,
          "a prompt of {} tokens and max_tokens {} need {} more positions than the context of {}; shorten the prompt "
          "or ask "
          "for at most {} tokens",
          prompt, max_tokens, max_tokens - room, engine.max_context, room);
}

/// logits float [vocab] of the last row of hidden [rows, hidden].
at::Tensor last_logits(Engine& engine, const at::Tensor& hidden) {
  return engine.model->logits(hidden.narrow(0, hidden.size(0) - 1, 1)).squeeze(0).to(at::kCPU, at::kFloat).contiguous();
}

at::Tensor to_tensor(const Engine& engine, std::span<const int64_t> tokens) {
  return at::tensor(at::ArrayRef<int64_t>(tokens.data(), tokens.size()), at::kLong).unsqueeze(0).to(engine.device);
}

}  // namespace

void check_tokens(const Engine& engine, std::span<const int64_t> tokens) {
  require(!tokens.empty(), ErrorKind::invalid_argument,
          "the prompt must hold at least one token; this one is empty and the tokenizer adds none");
  const auto vocab = engine.model->sizes().vocab_size;
  for (const auto token : tokens) {
    require(token >= 0 && (vocab == 0 || token < vocab), ErrorKind::invalid_argument,
            "token ids must be between 0 and {}, got {}", vocab - 1, token);
  }
}

void run_chunks(Engine& engine, nn::SequenceState& state, std::span<const int64_t> tokens, const HiddenVisitor& visit) {
  const at::NoGradGuard no_grad;
  const auto total = static_cast<int64_t>(tokens.size());
  for (int64_t first = 0; first < total; first += kPromptChunk) {
    const auto count = std::min(kPromptChunk, total - first);
    const auto chunk =
        to_tensor(engine, tokens.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count)));
    at::Tensor hidden;
    {
      const std::lock_guard lock(engine.step_mutex);
      hidden = engine.model->hidden(chunk, &state).squeeze(0);
    }
    if (!visit(hidden, first)) {
      return;
    }
  }
}

GenerationResult complete(Engine& engine, std::span<const int64_t> prompt, const GenerationOptions& options) {
  check_options(options, engine.model->sizes().vocab_size);
  check_tokens(engine, prompt);
  const MemoryScope memory(engine.memory, MemoryKind::activations);
  const auto prompt_length = static_cast<int64_t>(prompt.size());
  check_context(engine, prompt_length, options.max_tokens);

  GenerationResult result;
  result.seed = options.seed ? *options.seed : draw_seed();
  result.usage.prompt_tokens = prompt_length;
  result.finish_reason = FinishReason::length;
  Sampler sampler(options, result.seed);
  sampler.add_prompt(prompt);
  TextOutput output(engine, options, result);

  const at::NoGradGuard no_grad;
  const auto start = Clock::now();
  const auto reserved = reserve_call(engine, prompt_length, prompt_length + options.max_tokens);
  const auto state = engine.model->make_state(prompt_length + options.max_tokens);
  at::Tensor hidden;  // [rows, hidden] of the newest tokens
  run_chunks(engine, *state, prompt, [&](const at::Tensor& chunk, int64_t) {
    hidden = chunk;
    return !cancelled(options);
  });
  for (int64_t made = 0; made < options.max_tokens; ++made) {
    if (cancelled(options)) {
      result.finish_reason = FinishReason::cancelled;
      break;
    }
    at::Tensor logits;  // [vocab]
    {
      const std::lock_guard lock(engine.step_mutex);
      if (made > 0) {
        hidden = engine.model->hidden(to_tensor(engine, {&result.tokens.back(), 1}), state.get()).squeeze(0);
      }
      logits = last_logits(engine, hidden);
    }
    const auto token = sampler.next({logits.data_ptr<float>(), static_cast<std::size_t>(logits.numel())});
    if (made == 0) {
      result.timings.prompt_seconds = seconds_since(start);
    }
    result.tokens.push_back(token);
    if (sampler.logprob()) {
      result.logprobs.push_back(*sampler.logprob());
    }
    if (!options.ignore_eos && engine.end_tokens.contains(token)) {
      result.finish_reason = FinishReason::stop;
      break;
    }
    if (!output.push(token)) {
      break;
    }
  }
  output.finish();
  result.usage.completion_tokens = static_cast<int64_t>(result.tokens.size());
  result.timings.generation_seconds = seconds_since(start) - result.timings.prompt_seconds;
  return result;
}

}  // namespace dstorch::generate
