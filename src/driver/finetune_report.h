#pragma once

#include <string>
#include <utility>
#include <vector>

#include "dstorch/finetune.h"
#include "train/examples.h"

namespace dstorch::driver {

/// An example's answers, as the model said them before and says them now.
struct ComparedAnswer {
  std::string prompt;
  std::string wanted;
  std::string before;
  std::string after;
};

/// What the model at `options.model` and the one that was made of it answer, greedily, to `held_out` examples with
/// prompts: as many as the options ask for.
std::vector<ComparedAnswer> compare_answers(const FinetuneOptions& options,
                                            const std::vector<training::Example>& held_out);

/// Writes report.md into the output: settings and data as they are listed, the curve, scores and answers. Throws
/// LMError{io}.
void write_report(const FinetuneOptions& options, const std::vector<std::pair<std::string, std::string>>& facts,
                  const FinetuneResult& result, const std::vector<ComparedAnswer>& answers);

}  // namespace dstorch::driver
