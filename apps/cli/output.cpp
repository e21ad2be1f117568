#include "output.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <system_error>

#include "dstorch/error.h"

namespace dstorch::cli {
namespace {

[[noreturn]] void fail_to_write(int error) {
  const auto reason = error == EBADF ? "it is closed" : std::generic_category().message(error);
  // Nothing more will get out; without this the end of the program would try again.
  std::fclose(stdout);
  throw LMError(ErrorKind::io, fmt::format("cannot write standard output: {}", reason));
}

}  // namespace

void guard_standard_streams() {
  for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; ++stream) {
    if (::fcntl(stream, F_GETFD) < 0) {
      // The lowest free number, which is `stream`. Opened the wrong way round, so that using it fails as before.
      if (::open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0) {
        std::abort();
      }
    }
  }
}

void print(std::string_view text) {
  errno = 0;
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) {
    fail_to_write(errno);
  }
}

void print_json(const nlohmann::ordered_json& json) {
  print(json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
}

void flush_output() {
  errno = 0;
  if (std::fflush(stdout) != 0) {
    fail_to_write(errno);
  }
}

}  // namespace dstorch::cli
