#include <csignal>
#include <cstdio>
#include <iostream>
#include <iterator>

#include "commands.h"

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
}

}  // namespace

CancelToken interrupt_token() {
  CancelToken token = shared_token();
  std::signal(SIGINT, on_interrupt);
  return token;
}

std::string example(const std::string& command) { return "Example:\n  " + command; }

std::string read_stdin() { return {std::istreambuf_iterator<char>(std::cin), {}}; }

}  // namespace dstorch::cli
