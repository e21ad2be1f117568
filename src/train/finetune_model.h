#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/json.h"
#include "dstorch/checkpoint.h"
#include "dstorch/finetune.h"
#include "engine/lora_config.h"
#include "train/example_order.h"
#include "train/example_pass.h"
#include "train/examples.h"
#include "train/loop.h"
#include "train/trainable_adapter.h"

namespace dstorch::training {

/// Parts of the examples.
struct Split {
  std::vector<Example> train;
  std::vector<Example> held_out;
};

/// Takes a share of `examples` out, drawn by the seed: at least one where the share is above 0, and at most all but
/// one.
Split split_examples(std::vector<Example> examples, double share, uint64_t seed);

/// A language model that learns from examples, in full or beside its weights: to write them, or to tell their classes.
class FinetuneModel : public Trainee {
 public:
  /// Reads the model and the data.
  explicit FinetuneModel(const FinetuneOptions& options);

  [[nodiscard]] const Parameters& parameters() const override { return parameters_; }
  double learn(int64_t step) override;
  [[nodiscard]] int64_t tokens() const override { return tokens_; }
  std::optional<Scores> evaluate() override;

  /// Writes the adapter, or all weights, into the directory, and beside an adapter the classes that it tells apart.
  void write(const std::filesystem::path& directory) const;

  [[nodiscard]] int64_t steps_of(int64_t epochs) { return order_->steps_of(epochs); }
  [[nodiscard]] const Split& data() const noexcept { return data_; }
  [[nodiscard]] bool bfloat16() const noexcept { return bfloat16_; }
  [[nodiscard]] int64_t sequence_length() const noexcept { return sequence_length_; }
  /// The config.json of what is made.
  [[nodiscard]] const OrderedJson& config() const noexcept { return config_json_; }
  /// The names of the classes that are learned; empty where text is.
  [[nodiscard]] const std::vector<std::string>& classes() const noexcept { return classes_; }
  /// What tells this model and its data from others.
  [[nodiscard]] RunIdentity identity() const;

 private:
  [[nodiscard]] ExampleRules rules() const;

  const FinetuneOptions& options_;
  OrderedJson config_json_;
  Json config_;
  std::vector<std::string> classes_;
  bool bfloat16_;
  std::shared_ptr<const Checkpoint> checkpoint_;
  std::shared_ptr<models::LanguageModel> model_;
  std::optional<TrainableAdapter> adapter_;
  Parameters parameters_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  int64_t sequence_length_ = 0;
  Split data_;
  std::optional<ExampleOrder> order_;
  int64_t tokens_ = 0;
};

/// The first end token of a model's directory, which a completion ends with; none where it has none.
std::optional<int64_t> end_token(const std::filesystem::path& directory, const Json& config);

}  // namespace dstorch::training
