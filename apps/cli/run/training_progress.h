#pragma once

#include <cstdint>

#include "dstorch/train.h"
#include "terminal.h"

namespace dstorch::cli {

/// What a step of training came to: on a terminal in a line that moves, elsewhere now and then. Evaluations and the
/// last step stay.
class TrainingProgress {
 public:
  /// `every`: steps between lines where there is no terminal. `unit`: what the speed counts.
  explicit TrainingProgress(int64_t every, const char* unit = "tokens")
      : every_(every), unit_(unit), line_("reading the data") {}

  void show(const TrainingStep& step);

 private:
  int64_t every_;
  const char* unit_;
  StatusLine line_;
};

}  // namespace dstorch::cli
