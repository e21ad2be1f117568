#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <system_error>

#include "commands.h"
#include "dstorch/error.h"

namespace dstorch::cli {
namespace {

CancelToken& shared_token() {
  static CancelToken token;
  return token;
}

// The flag is a lock-free atomic, so that setting it is allowed in a signal handler.
extern "C" void on_interrupt(int) {
  shared_token().cancel();
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
}

}  // namespace

CancelToken interrupt_token() {
  CancelToken token = shared_token();
  std::signal(SIGINT, on_interrupt);
  std::signal(SIGTERM, on_interrupt);
  return token;
}

std::string read_stdin() {
  std::string text;
  char block[1 << 16];
  while (true) {
    const auto count = ::read(STDIN_FILENO, block, sizeof block);
    if (count > 0) {
      text.append(block, static_cast<std::size_t>(count));
    } else if (count == 0) {
      return text;
    } else if (errno != EINTR) {
      throw LMError(ErrorKind::io, "cannot read standard input: " + std::generic_category().message(errno));
    }
  }
}

bool stdin_is_terminal() { return ::isatty(STDIN_FILENO) == 1; }

}  // namespace dstorch::cli
