#include "read_text.h"

#include <fmt/core.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

#include "commands.h"
#include "dstorch/error.h"

namespace dstorch::cli {

std::string read_text(const std::string& file) {
  if (file == "-") {
    return read_stdin();
  }
  // Opening a pipe would wait for somebody to write into it.
  std::error_code error;
  const auto status = std::filesystem::status(file, error);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
    throw LMError(ErrorKind::invalid_argument, fmt::format("{} must be a regular file; - is standard input", file));
  }
  errno = 0;
  std::ifstream stream(file, std::ios::binary);
  if (!stream) {
    const int reason = errno;
    throw LMError(reason == ENOENT || reason == ENOTDIR ? ErrorKind::not_found : ErrorKind::io,
                  fmt::format("cannot read {}: {}", file, std::generic_category().message(reason)));
  }
  return {std::istreambuf_iterator<char>(stream), {}};
}

}  // namespace dstorch::cli
