#pragma once

namespace dstorch::cli {

/// Does what the words of the command line ask for, errors said on standard error. Returns the exit code: 0 done,
/// 1 failed, 2 wrong usage, 130 interrupted.
int run_command_line(int argc, char** argv);

}  // namespace dstorch::cli
