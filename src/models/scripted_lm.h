#pragma once

#include <torch/script.h>

#include <filesystem>

#include "models/language_model.h"

namespace dstorch::models {

/// A TorchScript archive run through LibTorch. As a language model it must take token ids int64 [1, seq] and return
/// logits [1, seq, vocab] (or a tuple that begins with them); it keeps nothing, so each step runs the whole sequence.
class ScriptedLM : public LanguageModel {
 public:
  /// Throws LMError{format} when LibTorch cannot load the archive.
  ScriptedLM(const std::filesystem::path& path, at::Device device);

  [[nodiscard]] const ModelSizes& sizes() const override { return sizes_; }
  [[nodiscard]] const nn::KvLayout& kv_layout() const override { return kv_layout_; }
  /// The logits of all rows: an archive shows nothing else. Spans are whole sequences.
  at::Tensor hidden(const ops::Batch& batch) override;
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
  nn::KvLayout kv_layout_;  // nothing is kept
};

}  // namespace dstorch::models
