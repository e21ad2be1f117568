#include "text_list.h"

#include <sstream>

#include "dstorch/error.h"
#include "read_text.h"

namespace dstorch::cli {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    if (line.ends_with('\r')) {
      line.pop_back();
    }
    if (line.empty()) {
      throw LMError(ErrorKind::invalid_argument,
                    fmt::format("line {} is empty; each line must hold a text", lines.size() + 1));
    }
    lines.push_back(line);
  }
  return lines;
}

}  // namespace

std::vector<std::string> texts_of(const TextsArguments& arguments) {
  if (!arguments.given.empty()) {
    return arguments.given;
  }
  return lines_of(arguments.file.empty() ? read_stdin() : read_text(arguments.file));
}

}  // namespace dstorch::cli
