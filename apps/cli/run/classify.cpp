#include <nlohmann/json.hpp>

#include "commands.h"
#include "output.h"
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
  auto all = nlohmann::ordered_json::array();
  each_text(
      arguments.texts, arguments.model, [](TorchModel& model, const std::string& text) { return model.classify(text); },
      [&](const std::vector<ClassScore>& scores) {
        if (arguments.json) {
          all.push_back(json_of(scores));
        } else {
          print("{:.4f}  {}\n", scores.front().probability, scores.front().name);
        }
      });
  if (arguments.json) {
    print_json({{"classes", all}});
  }
}

}  // namespace dstorch::cli
