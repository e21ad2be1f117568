#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "commands.h"
#include "load_model.h"
#include "output.h"
#include "terminal.h"
#include "text_list.h"

namespace dstorch::cli {
namespace {

nlohmann::ordered_json json_of(const std::vector<ClassScore>& scores) {
  auto list = nlohmann::ordered_json::array();
  for (const auto& score : scores) {
    list.push_back({{"name", score.name}, {"probability", score.probability}});
  }
  return list;
}

}  // namespace

void run(const ClassifyArguments& arguments) {
  const auto texts = texts_of(arguments.texts);
  const auto cancel = interrupt_token();
  const auto model = load_model(arguments.model);
  StatusLine line;
  auto all = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < texts.size(); ++i) {
    line.show(fmt::format("text {} of {}", i + 1, texts.size()));
    const auto scores = model->classify(texts[i]);
    if (cancel.cancelled()) {
      throw Interrupted();
    }
    if (arguments.json) {
      all.push_back(json_of(scores));
    } else {
      line.clear();
      print("{:.4f}  {}\n", scores.front().probability, scores.front().name);
    }
  }
  line.clear();
  if (arguments.json) {
    print_json({{"classes", all}});
  }
}

}  // namespace dstorch::cli
