#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "dstorch/error.h"
#include "dstorch/torch_model.h"

namespace dstorch::test {

inline std::unique_ptr<TorchModel> load(const TorchModelConfig& config) {
  auto model = std::make_unique<TorchModel>(config);
  model->init();
  return model;
}

/// Exactly `max_tokens` tokens, the likeliest each.
inline GenerationOptions greedy(int64_t max_tokens) {
  return {.max_tokens = max_tokens, .temperature = 0, .ignore_eos = true};
}

/// The error that `work` ends with.
template <typename Work>
LMError error_of(Work&& work) {
  try {
    work();
  } catch (const LMError& e) {
    return e;
  }
  ADD_FAILURE() << "no error";
  return {ErrorKind::internal, "no error"};
}

}  // namespace dstorch::test
