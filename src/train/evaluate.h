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

/// How well `model` predicts `text`, cut into sequences that each start without context. `first_context` is what the
/// first token is predicted from; without one it is not counted, nor are its bytes.
/// Throws LMError{inference} when the loss is not finite.
Evaluation evaluate(models::LanguageModel& model, const TokenStream& text, const Tokenizer& tokenizer,
                    std::optional<int64_t> first_context, int64_t batch_size, int64_t sequence_length, bool bfloat16);

}  // namespace dstorch::training
