#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "core/rng.h"
#include "dstorch/generation.h"
#include "engine/processors.h"

namespace dstorch::engine {

/// Turns logits into the next token, by the options of one sequence. The steps, in order: the processors (penalties,
/// bias, constraint), temperature, top-k, top-p, min-p, one draw. One thread at a time.
class Sampler {
 public:
  Sampler(const GenerationOptions& options, uint64_t seed);

  /// Counts `tokens` as seen in the prompt.
  void add_prompt(std::span<const int64_t> tokens) { processors_.add_prompt(tokens); }

  void constrain(std::shared_ptr<AnswerConstraint> constraint) { processors_.constrain(std::move(constraint)); }

  /// logits [vocab], overwritten. Throws LMError{inference} when they leave nothing to choose from (NaN, all
  /// -infinity). `forced` is taken whatever they are.
  int64_t next(std::span<float> logits, std::optional<int64_t> forced = std::nullopt);
  /// Takes note that `token` comes next without the model having been asked.
  void skip(int64_t token) {
    logprob_.reset();
    processors_.accept(token);
  }

  /// The log-probabilities at the last token; empty when they are not asked for or the model was not asked.
  [[nodiscard]] const std::optional<TokenLogprob>& logprob() const noexcept { return logprob_; }

 private:
  struct Candidate {
    int64_t token;
    double probability;
  };

  [[nodiscard]] TokenLogprob logprob_of(std::span<const float> logits, double log_total, int64_t token) const;
  void collect_candidates(std::span<const float> logits);
  void keep_top_p();
  int64_t draw();

  GenerationOptions options_;
  Rng rng_;
  Processors processors_;
  std::vector<Candidate> candidates_;  // kept between steps, so that none allocates
  std::optional<TokenLogprob> logprob_;
};

}  // namespace dstorch::engine
