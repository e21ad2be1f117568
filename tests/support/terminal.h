#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

namespace dstorch::test {

struct TerminalResult {
  int exit_code = 0;
  /// Everything that the program sent to the terminal, control sequences included; line ends are "\r\n".
  std::string screen;
};

/// A program at a terminal of 80 columns of its own, which is its standard input, output and error. Killed when it
/// outlives its object.
class Terminal {
 public:
  /// `environment`: "NAME=value" for what differs from the test's own. Throws std::system_error.
  Terminal(std::vector<std::string> arguments, const std::vector<std::string>& environment);
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  ~Terminal();

  /// Keys that somebody presses.
  void type(std::string_view keys) const;
  /// Waits until the program has sent `text` behind what an earlier call waited for; false when it ended without it.
  [[nodiscard]] bool wait_for(std::string_view text);
  /// What it sent so far.
  [[nodiscard]] const std::string& screen() const noexcept { return screen_; }
  /// Waits for its end.
  TerminalResult wait();

 private:
  /// Some more of what it sends; false at its end.
  bool receive();

  int terminal_ = -1;
  pid_t child_ = -1;
  std::string screen_;
  std::size_t seen_ = 0;
};

/// Runs a program at such a terminal to its end.
TerminalResult run_in_terminal(std::vector<std::string> arguments, const std::vector<std::string>& environment);

}  // namespace dstorch::test
