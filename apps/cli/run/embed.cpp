#include <fmt/ranges.h>

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>

#include "commands.h"
#include "dstorch/error.h"
#include "load_model.h"
#include "output.h"
#include "read_text.h"
#include "terminal.h"

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
                    fmt::format("line {} is empty; each line must hold a text to embed", lines.size() + 1));
    }
    lines.push_back(line);
  }
  return lines;
}

}  // namespace

void run(const EmbedArguments& arguments) {
  auto texts = arguments.texts;
  if (texts.empty()) {
    texts = lines_of(arguments.file.empty() ? read_stdin() : read_text(arguments.file));
  }
  const auto cancel = interrupt_token();
  const auto model = load_model(arguments.model);
  StatusLine line;
  auto all = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < texts.size(); ++i) {
    line.show(fmt::format("text {} of {}", i + 1, texts.size()));
    const auto embedding = model->embed(texts[i]);
    if (cancel.cancelled()) {
      throw Interrupted();
    }
    if (arguments.json) {
      all.push_back(embedding);
    } else {
      line.clear();
      print("{}\n", fmt::join(embedding, " "));
    }
  }
  line.clear();
  if (arguments.json) {
    print_json({{"embeddings", all}});
  }
}

}  // namespace dstorch::cli
