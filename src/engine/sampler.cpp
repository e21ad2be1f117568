#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/throw.h"

namespace dstorch::engine {
namespace {

/// log(sum(exp(logits))), in double; `largest` is the largest logit.
double log_sum_exp(std::span<const float> logits, float largest) {
  double sum = 0;
  for (const float logit : logits) {
    sum += std::exp(static_cast<double>(logit) - static_cast<double>(largest));
  }
  return static_cast<double>(largest) + std::log(sum);
}

/// The largest logit. Written in lanes so that the compiler uses vector instructions. `valid` becomes false if there is
/// a NaN anywhere.
float largest_of(std::span<const float> logits, bool& valid) {
  constexpr std::size_t kLanes = 16;
  float most[kLanes];
  std::fill_n(most, kLanes, -std::numeric_limits<float>::infinity());
  int unordered[kLanes] = {};
  std::size_t i = 0;
  for (; i + kLanes <= logits.size(); i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const float logit = logits[i + lane];
      most[lane] = logit > most[lane] ? logit : most[lane];
      unordered[lane] |= static_cast<int>(logit != logit);
    }
  }
  for (; i < logits.size(); ++i) {
    most[0] = std::max(most[0], logits[i]);
    unordered[0] |= static_cast<int>(std::isnan(logits[i]));
  }
  valid = std::all_of(unordered, unordered + kLanes, [](int found) { return found == 0; });
  return *std::max_element(most, most + kLanes);
}

/// The index of the first largest logit, as torch.argmax. Throws if there is a NaN anywhere.
std::size_t checked_argmax(std::span<const float> logits) {
  bool valid = true;
  const float largest = largest_of(logits, valid);
  require(valid, ErrorKind::inference,
          "the model's logits are not finite numbers (NaN): its weights are damaged, or its dtype overflows; try "
          "--dtype float32");
  require(std::isfinite(largest), ErrorKind::inference,
          "no token is left to choose: every logit is -infinity, or one is +infinity");
  return static_cast<std::size_t>(std::find(logits.begin(), logits.end(), largest) - logits.begin());
}

}  // namespace

Sampler::Sampler(const GenerationOptions& options, uint64_t seed)
    : options_(options), rng_(seed), processors_(options) {}

int64_t Sampler::next(std::span<float> logits, std::optional<int64_t> forced) {
  const auto best = checked_argmax(logits);
  const auto largest = logits[best];
  std::vector<float> raw;
  if (options_.logprobs) {
    raw.assign(logits.begin(), logits.end());
  }
  int64_t token = 0;
  if (!forced) {
    processors_.apply(logits);
  }
  if (forced) {
    token = *forced;
  } else if (options_.temperature == 0 || options_.top_k == 1) {
    token = static_cast<int64_t>(processors_.change_anything() ? checked_argmax(logits) : best);
  } else {
    collect_candidates(logits);
    token = draw();
  }
  processors_.accept(token);
  if (options_.logprobs) {
    logprob_ = logprob_of(raw, log_sum_exp(raw, largest), token);
  }
  return token;
}

void Sampler::collect_candidates(std::span<const float> logits) {
  const auto largest = logits[checked_argmax(logits)];
  candidates_.clear();
  double sum = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double probability =
        std::exp((static_cast<double>(logits[i]) - static_cast<double>(largest)) / options_.temperature);
    // Below this a token can never be drawn: its share of the sum is less than 2^-53.
    if (probability > 1e-18) {
      candidates_.push_back({static_cast<int64_t>(i), probability});
      sum += probability;
    }
  }
  const auto more_likely = [](const Candidate& a, const Candidate& b) {
    return a.probability != b.probability ? a.probability > b.probability : a.token < b.token;
  };
  const auto top_k = static_cast<std::size_t>(options_.top_k);
  if (top_k > 0 && top_k < candidates_.size()) {
    std::nth_element(candidates_.begin(), candidates_.begin() + static_cast<std::ptrdiff_t>(top_k), candidates_.end(),
                     more_likely);
    candidates_.resize(top_k);
    sum = 0;
    for (const auto& candidate : candidates_) {
      sum += candidate.probability;
    }
  }
  for (auto& candidate : candidates_) {
    candidate.probability /= sum;
  }
  if (options_.top_p < 1) {
    keep_top_p();
  }
  if (options_.min_p > 0) {
    double most = 0;
    for (const auto& candidate : candidates_) {
      most = std::max(most, candidate.probability);
    }
    std::erase_if(candidates_,
                  [&](const Candidate& candidate) { return candidate.probability < options_.min_p * most; });
  }
  // The draw needs one fixed order, whichever order the filters left.
  std::sort(candidates_.begin(), candidates_.end(), [](const auto& a, const auto& b) { return a.token < b.token; });
}

void Sampler::keep_top_p() {
  // Tokens this unlikely add up to less than what top-p leaves out anyway, so they need not be sorted.
  const double negligible = (1 - options_.top_p) / static_cast<double>(candidates_.size());
  std::erase_if(candidates_, [&](const Candidate& candidate) { return candidate.probability < negligible; });
  std::sort(candidates_.begin(), candidates_.end(), [](const Candidate& a, const Candidate& b) {
    return a.probability != b.probability ? a.probability > b.probability : a.token < b.token;
  });
  double reached = 0;
  std::size_t kept = 0;
  while (kept < candidates_.size() && reached < options_.top_p) {
    reached += candidates_[kept++].probability;
  }
  candidates_.resize(std::max<std::size_t>(kept, 1));
}

int64_t Sampler::draw() {
  double sum = 0;
  for (const auto& candidate : candidates_) {
    sum += candidate.probability;
  }
  double target = rng_.uniform() * sum;
  for (const auto& candidate : candidates_) {
    target -= candidate.probability;
    if (target < 0) {
      return candidate.token;
    }
  }
  return candidates_.back().token;
}

TokenLogprob Sampler::logprob_of(std::span<const float> logits, double log_total, int64_t token) const {
  const auto logprob = [&](int64_t id) {
    return static_cast<double>(logits[static_cast<std::size_t>(id)]) - log_total;
  };
  TokenLogprob record{token, logprob(token), {}};
  const auto count = std::min(static_cast<std::size_t>(*options_.logprobs), logits.size());
  std::vector<int64_t> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  std::partial_sort(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(count), ids.end(),
                    [&](int64_t a, int64_t b) {
                      const auto la = logits[static_cast<std::size_t>(a)];
                      const auto lb = logits[static_cast<std::size_t>(b)];
                      return la != lb ? la > lb : a < b;
                    });
  for (std::size_t i = 0; i < count; ++i) {
    record.top.emplace_back(ids[i], logprob(ids[i]));
  }
  return record;
}

}  // namespace dstorch::engine
