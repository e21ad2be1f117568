#include "support/terminal.h"

#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <system_error>

namespace dstorch::test {

Terminal::Terminal(std::vector<std::string> arguments, const std::vector<std::string>& environment) {
  std::vector<std::string> words{"/usr/bin/env"};
  words.insert(words.end(), environment.begin(), environment.end());
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (auto& word : words) {
    argv.push_back(word.data());
  }
  argv.push_back(nullptr);
  const winsize size{.ws_row = 24, .ws_col = 80, .ws_xpixel = 0, .ws_ypixel = 0};
  child_ = ::forkpty(&terminal_, nullptr, nullptr, &size);
  if (child_ < 0) {
    throw std::system_error(errno, std::generic_category(), "forkpty");
  }
  if (child_ == 0) {
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
}

Terminal::~Terminal() {
  if (child_ > 0) {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }
  ::close(terminal_);
}

void Terminal::type(std::string_view keys) const {
  while (!keys.empty()) {
    const auto count = ::write(terminal_, keys.data(), keys.size());
    if (count < 0) {
      throw std::system_error(errno, std::generic_category(), "typing");
    }
    keys.remove_prefix(static_cast<std::size_t>(count));
  }
}

bool Terminal::receive() {
  char block[4096];
  // The terminal reports an error once the program has left it.
  const auto count = ::read(terminal_, block, sizeof block);
  screen_.append(block, static_cast<std::size_t>(count > 0 ? count : 0));
  return count > 0;
}

bool Terminal::wait_for(std::string_view text) {
  while (true) {
    if (const auto at = screen_.find(text, seen_); at != std::string::npos) {
      seen_ = at + text.size();
      return true;
    }
    if (!receive()) {
      return false;
    }
  }
}

TerminalResult Terminal::wait() {
  while (receive()) {
  }
  int status = 0;
  ::waitpid(child_, &status, 0);
  child_ = -1;
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), screen_};
}

TerminalResult run_in_terminal(std::vector<std::string> arguments, const std::vector<std::string>& environment) {
  return Terminal(std::move(arguments), environment).wait();
}

}  // namespace dstorch::test
