#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "models/language_model.h"
#include "nn/adapter.h"
#include "train/example_order.h"
#include "train/examples.h"
#include "train/parameters.h"

namespace dstorch::training {

/// How examples go through a model.
struct PassSettings {
  /// Null: the model as it is.
  const nn::Adapter* adapter = nullptr;
  /// Under bfloat16 autocast.
  bool bfloat16 = false;
  /// Keep only what goes into each block, and compute the rest anew for the gradients (Chen et al. 2016).
  bool checkpointing = false;
};

/// The forward and backward pass of some examples, each of which sees itself alone; nothing is padded. The gradients of
/// the sum of the losses of all that is learned, divided by `divisor`, are added to those of the parameters.
/// `dropout_seed` decides what adapters drop out. Returns the sum of the losses, in nats. The threads of the
/// PassThreads around take parts of the examples each; their number changes no bit.
double learn_examples(models::LanguageModel& model, const Parameters& parameters, const std::vector<Example>& examples,
                      const MicroBatch& chosen, double divisor, uint64_t dropout_seed, const PassSettings& settings);

/// How well a model says what examples learn.
struct ExampleScores {
  /// Sum of the losses, in nats, and the tokens they are of.
  double loss = 0;
  int64_t tokens = 0;
  /// Examples, and those all of whose learned tokens are the likeliest: what greedy generation says right to the end.
  int64_t examples = 0;
  int64_t right = 0;
};

/// Without gradients.
ExampleScores score_examples(models::LanguageModel& model, const std::vector<Example>& examples,
                             const MicroBatch& chosen, const nn::Adapter* adapter);

}  // namespace dstorch::training
