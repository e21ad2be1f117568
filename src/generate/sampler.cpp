#include "generate/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/throw.h"

namespace dstorch::generate {
namespace {

constexpr int64_t kMaxLogprobs = 100;

/// log(sum(exp(logits))), in double; `largest` is the largest logit.
double log_sum_exp(std::span<const float> logits, float largest) {
  double sum = 0;
  for (const float logit : logits) {
    sum += std::exp(static_cast<double>(logit) - static_cast<double>(largest));
  }
  return static_cast<double>(largest) + std::log(sum);
}

/// The first of the largest, as torch.argmax; NaN anywhere makes it invalid.
std::size_t checked_argmax(std::span<const float> logits) {
  std::size_t best = 0;
  bool valid = true;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    valid = valid && !std::isnan(logits[i]);
    if (logits[i] > logits[best]) {
      best = i;
    }
  }
  require(valid, ErrorKind::inference,
          "the model's logits are not finite numbers (NaN): its weights are damaged, or its dtype overflows; try "
          "--dtype float32");
  require(!logits.empty() && std::isfinite(logits[best]), ErrorKind::inference,
          "no token is left to choose: every logit is -infinity, or one is +infinity");
  return best;
}

void check_range(const char* name, double value, double low, double high) {
  require(value >= low && value <= high, ErrorKind::invalid_argument, "{} must be between {} and {}, got {}", name, low,
          high, value);
}

}  // namespace

void check_options(const GenerationOptions& options, int64_t vocab_size) {
  require(options.max_tokens >= 0, ErrorKind::invalid_argument, "max_tokens must be at least 0, got {}",
          options.max_tokens);
  check_range("temperature", options.temperature, 0, 1e6);
  require(options.top_k >= 0, ErrorKind::invalid_argument, "top_k must be at least 0 (0 keeps all), got {}",
          options.top_k);
  require(options.top_p > 0 && options.top_p <= 1, ErrorKind::invalid_argument,
          "top_p must be above 0 and at most 1, got {}", options.top_p);
  check_range("min_p", options.min_p, 0, 1);
  require(options.repetition_penalty > 0 && std::isfinite(options.repetition_penalty), ErrorKind::invalid_argument,
          "repetition_penalty must be above 0 (1 is off), got {}", options.repetition_penalty);
  check_range("frequency_penalty", options.frequency_penalty, -2, 2);
  check_range("presence_penalty", options.presence_penalty, -2, 2);
  if (options.logprobs) {
    require(*options.logprobs >= 0 && *options.logprobs <= kMaxLogprobs, ErrorKind::invalid_argument,
            "logprobs must be between 0 and {}, got {}", kMaxLogprobs, *options.logprobs);
  }
  for (const auto& [token, bias] : options.logit_bias) {
    require(token >= 0 && (vocab_size == 0 || token < vocab_size), ErrorKind::invalid_argument,
            "logit_bias: token ids must be between 0 and {}, got {}", vocab_size - 1, token);
    require(!std::isnan(bias) && bias != std::numeric_limits<double>::infinity(), ErrorKind::invalid_argument,
            "logit_bias of token {} must be a number or -infinity, got {}", token, bias);
  }
  for (const auto& stop : options.stop_sequences) {
    require(!stop.empty(), ErrorKind::invalid_argument, "stop_sequences must not hold an empty string");
  }
}

Sampler::Sampler(const GenerationOptions& options, uint64_t seed) : options_(options), rng_(seed) {}

void Sampler::add_prompt(std::span<const int64_t> tokens) {
  for (const auto token : tokens) {
    ++prompt_[token];
  }
}

int64_t Sampler::next(std::span<float> logits) {
  const auto largest = logits[checked_argmax(logits)];
  std::vector<float> raw;
  if (options_.logprobs) {
    raw.assign(logits.begin(), logits.end());
  }
  penalize(logits);
  int64_t token = 0;
  if (options_.temperature == 0 || options_.top_k == 1) {
    token = static_cast<int64_t>(checked_argmax(logits));
  } else {
    collect_candidates(logits);
    token = draw();
  }
  ++generated_[token];
  if (options_.logprobs) {
    logprob_ = logprob_of(raw, log_sum_exp(raw, largest), token);
  }
  return token;
}

void Sampler::penalize(std::span<float> logits) const {
  // A TorchScript archive does not say how many logits it has before it gives them.
  const auto logit_of = [&](int64_t token) -> float& {
    require(token < std::ssize(logits), ErrorKind::invalid_argument, "token ids must be between 0 and {}, got {}",
            std::ssize(logits) - 1, token);
    return logits[static_cast<std::size_t>(token)];
  };
  if (options_.repetition_penalty != 1) {
    const auto penalty = static_cast<float>(options_.repetition_penalty);
    const auto apply = [&](int64_t token) {
      auto& logit = logit_of(token);
      logit = logit > 0 ? logit / penalty : logit * penalty;
    };
    for (const auto& [token, count] : prompt_) {
      apply(token);
    }
    for (const auto& [token, count] : generated_) {
      if (!prompt_.contains(token)) {
        apply(token);
      }
    }
  }
  if (options_.frequency_penalty != 0 || options_.presence_penalty != 0) {
    for (const auto& [token, count] : generated_) {
      logit_of(token) -=
          static_cast<float>(options_.frequency_penalty * static_cast<double>(count) + options_.presence_penalty);
    }
  }
  for (const auto& [token, bias] : options_.logit_bias) {
    logit_of(token) += static_cast<float>(bias);
  }
}

void Sampler::collect_candidates(std::span<const float> logits) {
  const auto largest = logits[checked_argmax(logits)];
  candidates_.clear();
  double sum = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double probability =
        std::exp((static_cast<double>(logits[i]) - static_cast<double>(largest)) / options_.temperature);
    // Below this a token is never drawn: its share of the sum is under one part in 2^53.
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
  // One order for the draw, whatever the filters left behind.
  std::sort(candidates_.begin(), candidates_.end(), [](const auto& a, const auto& b) { return a.token < b.token; });
}

void Sampler::keep_top_p() {
  // Tokens this unlikely sum to less than what top-p leaves out, so they need no sorting.
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

}  // namespace dstorch::generate
