#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include "commands.h"
#include "output.h"
#include "text_list.h"

namespace dstorch::cli {

void run(const EmbedArguments& arguments) {
  auto all = nlohmann::ordered_json::array();
  each_text(
      arguments.texts, arguments.model, [](TorchModel& model, const std::string& text) { return model.embed(text); },
      [&](const std::vector<float>& embedding) {
        if (arguments.json) {
          all.push_back(embedding);
        } else {
          print("{}\n", fmt::join(embedding, " "));
        }
      });
  if (arguments.json) {
    print_json({{"embeddings", all}});
  }
}

}  // namespace dstorch::cli
