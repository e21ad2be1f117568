#pragma once

#include "models/language_model.h"

namespace dstorch::training {

/// A model whose every number is known: the logits after a token are its row of the table.
class Bigram : public models::LanguageModel {
 public:
  explicit Bigram(const at::Tensor& table) : table_(register_parameter("table", table.clone())) {
    sizes_.vocab_size = table.size(1);
  }

  [[nodiscard]] const at::Tensor& table() const { return table_; }
  [[nodiscard]] const models::ModelSizes& sizes() const override { return sizes_; }
  [[nodiscard]] const nn::KvLayout& kv_layout() const override { return kv_layout_; }
  at::Tensor hidden(const ops::Batch& batch) override { return at::embedding(table_, batch.tokens); }
  at::Tensor final_norm(const at::Tensor& hidden) override { return hidden; }
  at::Tensor logits(const at::Tensor& hidden) override { return hidden; }

 private:
  at::Tensor table_;
  models::ModelSizes sizes_;
  nn::KvLayout kv_layout_;
};

}  // namespace dstorch::training
