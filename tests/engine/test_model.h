#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <string>

#include "core/rng.h"
#include "dstorch/checkpoint.h"
#include "engine/adapter_file.h"
#include "engine/engine.h"
#include "engine/generation_sequence.h"
#include "models/checkpoint_weights.h"
#include "models/registry.h"
#include "support/paths.h"

namespace dstorch::engine {

/// The engine of a model of the parity tests, with bounds of the test's. `changes`: to its config.json; keys and values
/// are kept in `pages`.
inline EngineConfig engine_config(const std::string& fixture, const Json& changes = Json::object(),
                                  at::ScalarType pages = at::kFloat) {
  const auto path = test::source_dir() / "tests/parity/fixtures" / fixture / "model";
  models::CheckpointWeights weights(Checkpoint::open(path), {});
  EngineConfig config;
  auto json = read_json(path / "config.json");
  json.update(changes);
  config.model = models::create_model(json, weights);
  weights.finish();
  config.max_context = config.model->sizes().max_positions;
  config.threads = 2;
  config.kv_dtype = pages;
  return config;
}

inline std::vector<int64_t> random_tokens(Rng& rng, int64_t count, int64_t vocab) {
  std::vector<int64_t> tokens(static_cast<std::size_t>(count));
  for (auto& token : tokens) {
    token = static_cast<int64_t>(rng.below(static_cast<uint64_t>(vocab)));
  }
  return tokens;
}

/// A model of the parity tests, changed, that random calls are mixed on.
struct Mix {
  const char* name;
  const char* fixture;
  Json changes;
  at::ScalarType pages = at::kFloat;
};
inline std::ostream& operator<<(std::ostream& out, const Mix& mix) { return out << mix.name; }

/// With contexts of some pages: all there is of layers and windows.
inline std::vector<Mix> mixes() {
  return {{"llama", "llama", {{"max_position_embeddings", 448}}},
          {"bfloat16", "smollm2_bf16", {{"max_position_embeddings", 448}}},
          {"small_window", "qwen2_sliding", {{"max_position_embeddings", 448}}},
          {"window_of_pages", "qwen2_sliding", {{"max_position_embeddings", 448}, {"sliding_window", 150}}},
          {"windows_alone", "mistral", {{"max_position_embeddings", 448}, {"sliding_window", 65}}},
          {"learned_positions", "gpt2", Json::object()},
          {"eight_bits", "smollm2_bf16", {{"max_position_embeddings", 448}}, ops::kQ8Pages}};
}

/// Changes every linear layer by random numbers, so that no key stays what it was.
inline std::shared_ptr<const nn::Adapter> random_adapter(const models::LanguageModel& model, uint64_t seed) {
  Rng rng(seed);
  const auto matrix = [&](int64_t rows, int64_t columns) {
    const auto result = at::empty({rows, columns});
    for (int64_t i = 0; i < result.numel(); ++i) {
      result.data_ptr<float>()[i] = static_cast<float>(rng.below(2000)) / 1000 - 1;
    }
    return result;
  };
  auto adapter = std::make_shared<nn::Adapter>();
  for (const auto& [name, layer] : linear_layers(model)) {
    adapter->add(*layer, {.a = matrix(2, layer->in_features()), .b = matrix(layer->out_features(), 2), .scale = 0.2});
  }
  return adapter;
}

/// A generation that was submitted, and how it went.
class Asked {
 public:
  Asked(std::vector<int64_t> prompt, const GenerationOptions& options, int64_t max_tokens, uint64_t seed,
        std::shared_ptr<const Tokenizer> tokenizer = nullptr, std::set<int64_t> end_tokens = {},
        std::shared_ptr<AnswerConstraint> constraint = nullptr)
      : outbox_(std::make_shared<Outbox>(options.cancel)),
        sequence_(std::make_shared<GenerationSequence>(std::move(prompt), options, max_tokens, seed,
                                                       std::move(tokenizer), std::move(end_tokens), outbox_,
                                                       std::move(constraint))) {}

  [[nodiscard]] const std::shared_ptr<GenerationSequence>& sequence() const { return sequence_; }
  void cancel() const { outbox_->cancel(); }

  /// The tokens, when it is over; `reason` and `error` say how it ended.
  std::vector<int64_t> wait() {
    std::vector<int64_t> tokens;
    while (true) {
      auto news = outbox_->take(std::chrono::steady_clock::time_point::max());
      cached_tokens = news.cached_tokens;
      for (const auto& made : news.made) {
        tokens.push_back(made.token);
        text += made.text;
        if (made.logprob) {
          logprobs.push_back(*made.logprob);
        }
      }
      drafted = news.drafted_tokens;
      accepted = news.accepted_tokens;
      if (news.ending || news.error) {
        reason = news.ending ? std::optional(news.ending->reason) : std::nullopt;
        error = news.error;
        text += news.ending ? news.ending->text : "";
        stop_sequence = news.ending ? news.ending->stop_sequence : std::nullopt;
        return tokens;
      }
    }
  }

  std::optional<FinishReason> reason;
  std::exception_ptr error;
  int64_t cached_tokens = 0;
  int64_t drafted = 0;
  int64_t accepted = 0;
  std::string text;
  std::vector<TokenLogprob> logprobs;
  std::optional<std::string> stop_sequence;

 private:
  std::shared_ptr<Outbox> outbox_;
  std::shared_ptr<GenerationSequence> sequence_;
};

/// What a model says when it is asked this alone.
inline std::vector<int64_t> alone(Engine& engine, const std::vector<int64_t>& prompt, const GenerationOptions& options,
                                  int64_t max_tokens, uint64_t seed,
                                  const std::shared_ptr<const nn::Adapter>& adapter = {}) {
  Asked asked(prompt, options, max_tokens, seed);
  asked.sequence()->adapter = adapter;
  engine.submit(asked.sequence());
  return asked.wait();
}

}  // namespace dstorch::engine
