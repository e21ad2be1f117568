#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "dstorch/finetune.h"
#include "dstorch/simple_transformer.h"
#include "train/example_order.h"
#include "train/loop.h"

namespace dstorch::training {

/// Inputs of a plain network and what it shall answer.
struct NetworkData {
  at::Tensor inputs;   // float32 [examples, input]
  at::Tensor targets;  // float32 [examples, output], or int64 [examples]: labels
  [[nodiscard]] bool labels() const { return targets.scalar_type() == at::kLong; }
};

/// Reads JSON lines {"input": [numbers] or text, "target": [numbers]} or {"input", "label": number}, all of one kind. A
/// text becomes what `TorchModel::generate` makes of a prompt. Throws LMError: not_found, io, invalid_argument that
/// lists the lines that are wrong with their numbers.
NetworkData read_network_data(const std::filesystem::path& path, const Architecture& architecture);

/// A plain network that learns from examples.
class FinetuneNetwork : public Trainee {
 public:
  /// Reads the network and the data.
  explicit FinetuneNetwork(const FinetuneOptions& options);

  [[nodiscard]] const Parameters& parameters() const override { return parameters_; }
  double learn(int64_t step) override;
  [[nodiscard]] int64_t tokens() const override { return examples_; }
  std::optional<Scores> evaluate() override;
  /// Writes model.safetensors, and model.pt for Python.
  void write(const std::filesystem::path& directory) const;

  [[nodiscard]] int64_t steps_of(int64_t epochs) { return order_->steps_of(epochs); }
  [[nodiscard]] RunIdentity identity() const;
  [[nodiscard]] int64_t learned_from() const { return train_.inputs.size(0); }
  [[nodiscard]] int64_t held_out() const { return held_out_.inputs.defined() ? held_out_.inputs.size(0) : 0; }

 private:
  const FinetuneOptions& options_;
  std::shared_ptr<SimpleTransformer> network_;
  Parameters parameters_;
  NetworkData train_;
  NetworkData held_out_;
  std::optional<ExampleOrder> order_;
  uint32_t fingerprint_ = 0;  // of the weights before the first step
  int64_t examples_ = 0;
};

}  // namespace dstorch::training
