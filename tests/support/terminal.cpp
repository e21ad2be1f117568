#include "support/terminal.h"

#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>

namespace dstorch::test {

TerminalResult run_in_terminal(std::vector<std::string> arguments, const std::vector<std::string>& environment) {
  std::vector<std::string> words{"/usr/bin/env"};
  words.insert(words.end(), environment.begin(), environment.end());
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (auto& word : words) {
    argv.push_back(word.data());
  }
  argv.push_back(nullptr);
  const winsize size{.ws_row = 24, .ws_col = 80, .ws_xpixel = 0, .ws_ypixel = 0};
  int terminal = -1;
  const pid_t child = ::forkpty(&terminal, nullptr, nullptr, &size);
  if (child < 0) {
    throw std::system_error(errno, std::generic_category(), "forkpty");
  }
  if (child == 0) {
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  TerminalResult result;
  char block[4096];
  // The terminal reports an error once the program has left it.
  for (ssize_t count = 0; (count = ::read(terminal, block, sizeof block)) > 0;) {
    result.screen.append(block, static_cast<std::size_t>(count));
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ::close(terminal);
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

}  // namespace dstorch::test
