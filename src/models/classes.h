#pragma once

#include <string>
#include <vector>

#include "core/json.h"

namespace dstorch::models {

/// The name that transformers gives the linear layer of a decoder that scores classes from the last hidden state.
inline constexpr const char* kClassHead = "score";
inline constexpr const char* kClassWeight = "score.weight";

/// The names of the classes that the model of this config.json tells apart, by number: of an architecture called
/// "...ForSequenceClassification", by `id2label`, or else "LABEL_0", ... for `num_labels` (2 where that is missing
/// too), as transformers reads it. Empty for a model that predicts tokens. Throws LMError{format}.
std::vector<std::string> class_names(const Json& config);

/// "LABEL_0", "LABEL_1", ...: what transformers calls classes without names. Throws LMError{format} for fewer than one
/// class, and for more than a model can have.
std::vector<std::string> numbered_classes(int64_t count);

/// The config.json of the same model with a head for these classes. Throws LMError{unsupported} for a model_type that
/// is not known.
OrderedJson with_classes(OrderedJson config, const std::vector<std::string>& names);

}  // namespace dstorch::models
