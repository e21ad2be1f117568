#pragma once

#include <cstdint>

#include "arguments.h"
#include "dstorch/torch_model.h"

namespace dstorch::cli {

/// Several calls at once, each with a prompt of its own.
struct StreamsReport {
  /// Tokens that all streams made after the last first token, over that time.
  double generation_speed = 0;
  /// Prompts included, from the first call to the last token.
  double total_speed = 0;
  double median_first_token = 0;  // seconds
  double worst_first_token = 0;
};

/// The best of the runs that `arguments` ask for, by the tokens in all. Throws Interrupted.
StreamsReport measure_streams(TorchModel& model, const BenchArguments& arguments);

}  // namespace dstorch::cli
