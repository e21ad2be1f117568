#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "core/rng.h"
#include "dstorch/generation.h"

namespace dstorch::generate {

/// Throws LMError{invalid_argument} naming the first option that is outside its range. `vocab_size` bounds the ids; 0
/// is not known yet.
void check_options(const GenerationOptions& options, int64_t vocab_size);

/// Turns logits into the next token, by the options of one sequence. The steps, in order: repetition penalty, frequency
/// and presence penalties, logit bias, temperature, top-k, top-p, min-p, one draw. One thread at a time.
class Sampler {
 public:
  Sampler(const GenerationOptions& options, uint64_t seed);

  /// Counts `tokens` as seen in the prompt.
  void add_prompt(std::span<const int64_t> tokens);

  /// logits [vocab], overwritten. Throws LMError{inference} when they leave nothing to choose from (NaN, all
  /// -infinity).
  int64_t next(std::span<float> logits);

  /// What is recorded of the last token, if logprobs are asked for.
  [[nodiscard]] const std::optional<TokenLogprob>& logprob() const noexcept { return logprob_; }

 private:
  struct Candidate {
    int64_t token;
    double probability;
  };

  [[nodiscard]] TokenLogprob logprob_of(std::span<const float> logits, double log_total, int64_t token) const;
  void penalize(std::span<float> logits) const;
  void collect_candidates(std::span<const float> logits);
  void keep_top_p();
  int64_t draw();

  GenerationOptions options_;
  Rng rng_;
  std::unordered_map<int64_t, int64_t> generated_;  // token -> times
  std::unordered_map<int64_t, int64_t> prompt_;
  std::vector<Candidate> candidates_;  // kept between steps, so that none allocates
  std::optional<TokenLogprob> logprob_;
};

}  // namespace dstorch::generate
