#include <fmt/core.h>

#include "commands.h"
#include "dstorch/checkpoint.h"
#include "dstorch/finetune.h"
#include "terminal.h"

namespace dstorch::cli {

void run(const MergeArguments& arguments) {
  auto options = arguments.options;
  options.model = arguments.model.empty() ? bundled_model_path() : std::filesystem::path(arguments.model);
  options.adapter = arguments.adapter;
  options.output = arguments.output;
  if (!arguments.dtype.empty()) {
    options.dtype = parse_dtype(arguments.dtype);
  }
  {
    const StatusLine line(fmt::format("merging into {}", arguments.output));
    merge_adapter(options);
  }
  say(fmt::format("wrote {}", arguments.output));
}

}  // namespace dstorch::cli
