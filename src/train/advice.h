#pragma once

#include <string_view>

#include "dstorch/train.h"

namespace dstorch::training {

/// Whether the first lines of `text` are JSON objects with the keys that conversations come under.
bool looks_like_chats(std::string_view text);

/// Logs a warning for what is allowed and hardly meant: a warm-up as long as the run, data that is no plain text.
void advise(const TrainOptions& options);

}  // namespace dstorch::training
