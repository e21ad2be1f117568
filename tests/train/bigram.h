#pragma once

#include "models/causal_lm.h"

namespace dstorch::training {

/// A model whose every number is known: the logits after a token are its row of the table.
class Bigram : public models::CausalLM {
 public:
  explicit Bigram(const at::Tensor& table) : table_(register_parameter("table", table.clone())) {
    sizes_.vocab_size = table.size(1);
  }

  [[nodiscard]] const at::Tensor& table() const { return table_; }
  [[nodiscard]] const models::ModelSizes& sizes() const override { return sizes_; }
  [[nodiscard]] std::unique_ptr<nn::SequenceState> make_state(int64_t /*capacity*/) const override { return nullptr; }
  at::Tensor hidden(const at::Tensor& tokens, nn::SequenceState* /*state*/) override {
    return at::embedding(table_, tokens);
  }
  at::Tensor final_norm(const at::Tensor& hidden) override { return hidden; }
  at::Tensor logits(const at::Tensor& hidden) override { return hidden; }

 private:
  at::Tensor table_;
  models::ModelSizes sizes_;
};

}  // namespace dstorch::training
