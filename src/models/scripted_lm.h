#pragma once

#include <torch/script.h>

#include <filesystem>

#include "models/causal_lm.h"

namespace dstorch::models {

/// A TorchScript archive run through LibTorch. As a language model it must take token ids int64 [1, seq] and return
/// logits [1, seq, vocab] (or a tuple that begins with them); it has no cache, so each step runs the whole sequence.
class ScriptedLM : public CausalLM {
 public:
  /// Throws LMError{format} when LibTorch cannot load the archive.
  ScriptedLM(const std::filesystem::path& path, at::Device device);

  [[nodiscard]] const ModelSizes& sizes() const override { return sizes_; }
  [[nodiscard]] std::unique_ptr<nn::SequenceState> make_state(int64_t capacity) const override;
  at::Tensor hidden(const at::Tensor& tokens, nn::SequenceState* state) override;
  at::Tensor final_norm(const at::Tensor& hidden) override { return hidden; }
  at::Tensor logits(const at::Tensor& hidden) override { return hidden; }

  /// The module's own forward on any input.
  at::Tensor run(const at::Tensor& input);
  /// Features of the first two-dimensional weight: what a plain network takes. 0 when there is none.
  [[nodiscard]] int64_t input_size() const;
  /// Elements and bytes of all parameters.
  [[nodiscard]] std::pair<int64_t, int64_t> parameter_count_and_bytes() const;

 private:
  torch::jit::Module module_;
  ModelSizes sizes_;
};

}  // namespace dstorch::models
