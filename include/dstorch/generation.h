#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dstorch/constraint.h"

namespace dstorch {

/// Asks running work to stop, from any thread. Copies share one flag.
class CancelToken {
 public:
  CancelToken() : flag_(std::make_shared<std::atomic<bool>>(false)) {}
  void cancel() const noexcept { flag_->store(true, std::memory_order_relaxed); }
  [[nodiscard]] bool cancelled() const noexcept { return flag_->load(std::memory_order_relaxed); }

 private:
  std::shared_ptr<std::atomic<bool>> flag_;
};

/// Called with each piece of text as it becomes final: whole characters, never part of a stop string. Return false to
/// stop; the finish reason is then `cancelled`, and it is not called again. It runs on the thread that waits for the
/// answer, with no lock held, and may call anything, the model included.
using TokenCallback = std::function<bool(std::string_view piece)>;

/// Whether an answer is guessed ahead: several tokens that may come go through the model at once, and of these the ones
/// count that it would have made one by one. Never a bit of the answer changes, only when it comes; see
/// docs/speculation.md.
enum class Speculation {
  /// Where the prompt, the answer or a draft model says how it may go on, and as far as that is measured to pay.
  automatic,
  /// Wherever the prompt or the answer says how it may go on, whatever it costs.
  lookup,
  /// Wherever the draft model (`TorchModelConfig::draft_model_path`) is sure enough of how it goes on, whatever it
  /// costs.
  draft_model,
  off,
};
/// "automatic", "lookup", "draft_model", "off".
std::string_view to_string(Speculation speculation) noexcept;
std::optional<Speculation> parse_speculation(std::string_view name) noexcept;

/// How to continue a prompt. Every field has a default that generates finitely.
struct GenerationOptions {
  /// Most tokens to generate, at least 0. Unset: as many as the context has room for, at most 256. Only a number that
  /// is said can be too many.
  std::optional<int64_t> max_tokens{};
  /// Divides the logits; 0 takes the most likely token (greedy). At least 0.
  double temperature = 1.0;
  /// Keep the k most likely tokens; 0 keeps all.
  int64_t top_k = 0;
  /// Keep the smallest set whose probability reaches this (Holtzman et al. 2019), in (0, 1]; 1 keeps all.
  double top_p = 1.0;
  /// Keep tokens at least this likely relative to the likeliest (Nguyen et al. 2024), in [0, 1]; 0 keeps all.
  double min_p = 0.0;
  /// Divides positive and multiplies negative logits of tokens seen in prompt or answer (Keskar et al. 2019); above 0,
  /// 1 is off.
  double repetition_penalty = 1.0;
  /// Taken off a token's logit times its count in the answer (as OpenAI's API), in [-2, 2]; 0 is off.
  double frequency_penalty = 0.0;
  /// Taken off a token's logit once it is in the answer, in [-2, 2]; 0 is off.
  double presence_penalty = 0.0;
  /// Added to the logits of these token ids; -infinity forbids one.
  std::map<int64_t, double> logit_bias{};
  /// Same seed, same text; unset draws one (reported in GenerationResult::seed).
  std::optional<uint64_t> seed{};
  /// Record the log-probability of each token and of this many likeliest alternatives; unset records none. 0 to 100.
  std::optional<int64_t> logprobs{};
  /// Generation ends before the first of these to appear, even across token borders; it is not part of the text.
  std::vector<std::string> stop_sequences{};
  /// Go on past the model's end tokens.
  bool ignore_eos = false;
  /// Put the model's special tokens into the text too.
  bool skip_special_tokens = true;
  /// What the answer must be, see docs/constraints.md. It ends when it is complete, and is always completed within
  /// max_tokens (which, where it is not said, grows to what the shortest answer needs); a constraint wins over
  /// logit_bias. Needs a tokenizer; not with stop_sequences, which would cut the answer.
  std::optional<Constraint> constraint{};
  TokenCallback on_token{};
  /// Guesses the answer ahead, on the CPU with weights of float32 and less. `lookup` is refused elsewhere, and
  /// `draft_model` without one.
  Speculation speculation = Speculation::automatic;
  /// Stops at once, from another thread; the finish reason is then `cancelled`.
  std::optional<CancelToken> cancel{};
  /// The name of the attached adapter that this call goes through (`TorchModel::attach_adapter`); empty takes the
  /// model's own, `TorchModelConfig::adapter`, or none.
  std::string adapter{};
};

enum class FinishReason { stop, length, cancelled };
/// "stop" (an end token or a stop string; a constraint's text that nothing can follow), "length", "cancelled".
std::string_view to_string(FinishReason reason) noexcept;

struct Usage {
  int64_t prompt_tokens = 0;
  /// Of these: whose keys and values were there already, from calls before or beside this one.
  int64_t cached_tokens = 0;
  int64_t completion_tokens = 0;
};

/// Natural logarithms, of the distribution the model gave (before temperature and filters).
struct TokenLogprob {
  int64_t token = 0;
  double logprob = 0;
  /// Likeliest first.
  std::vector<std::pair<int64_t, double>> top;
};

/// How it went: it may go otherwise the next time.
struct Timings {
  /// From the call to the first token, waiting for other calls included, and from there to the end.
  double prompt_seconds = 0;
  double generation_seconds = 0;
  /// When each token was made, from the call on.
  std::vector<double> token_seconds;
  /// Tokens that were guessed ahead and went through the model, and those of them that came.
  int64_t drafted_tokens = 0;
  int64_t accepted_tokens = 0;
};

struct GenerationResult {
  std::string text;
  /// The ids made, an end token included.
  std::vector<int64_t> tokens;
  FinishReason finish_reason = FinishReason::length;
  /// The stop string that ended it, if one did.
  std::optional<std::string> stop_sequence;
  Usage usage;
  uint64_t seed = 0;
  std::vector<TokenLogprob> logprobs;
  Timings timings;
};

/// A generation that was submitted and goes on by itself. Its owner waits for it or looks at it now and then; the
/// options' `on_token` is called then, on that thread. One thread at a time, but for `cancel`. It does not need the
/// model: when that is destroyed, the generation ends as cancelled.
class PendingGeneration {
 public:
  PendingGeneration(PendingGeneration&&) noexcept;
  PendingGeneration& operator=(PendingGeneration&&) noexcept;
  /// Cancels what nobody waited for.
  ~PendingGeneration();

  /// Waits for the end, calling `on_token` with each piece of text as it comes. Once. Throws LMError, or what
  /// `on_token` throws; the generation is cancelled then.
  GenerationResult wait();
  /// Calls `on_token` with what there is by now. True when `wait` will not block. Never throws an error of the
  /// generation's: `wait` does.
  bool poll();
  /// For programs with an event loop: calls `on_news` each time `poll` has something to do, and at once if it has now.
  /// It runs on the thread that brings the news, the engine's or a caller's of `cancel`, until this object is gone and
  /// perhaps once more after that; it must not throw, wait, or call this object: let it wake the thread that polls.
  /// An empty one: nobody is told any more.
  /// The cancellation of the options' `cancel` is no news: cancel through this object.
  void notify(std::function<void()> on_news);
  /// Ends it at once, with what was made so far; the finish reason is then `cancelled`. Any thread.
  void cancel() const noexcept;

 private:
  friend class TorchModel;
  class State;
  explicit PendingGeneration(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace dstorch
