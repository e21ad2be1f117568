#pragma once

#include <cstdint>
#include <optional>

#include "models/language_model.h"
#include "train/text_data.h"

namespace dstorch::training {

struct Evaluation {
  /// Mean over the tokens, in nats.
  double loss = 0;
  double bits_per_byte = 0;
};

/// Whether there is anything in `text` to predict, with what `evaluate` takes: a token, and text that it stands for.
bool can_evaluate(const TokenStream& text, const Tokenizer& tokenizer, std::optional<int64_t> first_context);

/// How well `model` predicts `text`, cut into sequences that each start without context. `first_context` is what the
/// first token is predicted from; without one it is not counted, nor are its bytes.
/// Throws LMError: inference when the loss is not finite, invalid_argument unless `can_evaluate`.
Evaluation evaluate(models::LanguageModel& model, const TokenStream& text, const Tokenizer& tokenizer,
                    std::optional<int64_t> first_context, int64_t batch_size, int64_t sequence_length, bool bfloat16);

}  // namespace dstorch::training
