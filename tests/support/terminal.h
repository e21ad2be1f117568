#pragma once

#include <string>
#include <vector>

namespace dstorch::test {

struct TerminalResult {
  int exit_code = 0;
  /// Everything that the program sent to the terminal, control sequences included; line ends are "\r\n".
  std::string screen;
};

/// Runs a program at a terminal of 80 columns of its own, which is its standard input, output and error, to its end.
/// `environment`: "NAME=value" for what differs from the test's own.
TerminalResult run_in_terminal(std::vector<std::string> arguments, const std::vector<std::string>& environment);

}  // namespace dstorch::test
