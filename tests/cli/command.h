#pragma once

#include <string>
#include <utility>
#include <vector>

#include "support/paths.h"
#include "support/process.h"

namespace dstorch::test {

/// The words of a command line that starts the dstorch of this build.
inline std::vector<std::string> dstorch_command(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), (build_dir() / "dstorch").string());
  return arguments;
}

inline ProcessResult dstorch(std::vector<std::string> arguments, const ProcessOptions& options = {}) {
  return run_process(dstorch_command(std::move(arguments)), options);
}

}  // namespace dstorch::test
