#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include "commands.h"
#include "load_model.h"
#include "output.h"
#include "terminal.h"
#include "text_list.h"

namespace dstorch::cli {

void run(const EmbedArguments& arguments) {
  const auto texts = texts_of(arguments.texts);
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
