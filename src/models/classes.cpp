#include "models/classes.h"

#include <fmt/core.h>

#include "models/registry.h"

namespace dstorch::models {
namespace {

constexpr std::string_view kConfig = "config.json";
constexpr std::string_view kClassifier = "ForSequenceClassification";
/// More classes than any classifier has; a head of that many rows still fits into memory.
constexpr int64_t kMostClasses = int64_t{1} << 20;

bool is_classifier(const Json& config) {
  const auto it = config.find("architectures");
  return it != config.end() && it->is_array() && !it->empty() && it->front().is_string() &&
         it->front().get<std::string>().ends_with(kClassifier);
}

}  // namespace

std::vector<std::string> numbered_classes(int64_t count) {
  require(count >= 1 && count <= kMostClasses, ErrorKind::format, "there must be 1 to {} classes, there are {}",
          kMostClasses, count);
  std::vector<std::string> names;
  for (int64_t i = 0; i < count; ++i) {
    names.push_back(fmt::format("LABEL_{}", i));
  }
  return names;
}

std::vector<std::string> class_names(const Json& config) {
  if (!is_classifier(config)) {
    return {};
  }
  const auto named = config.find("id2label");
  if (named == config.end() || named->is_null()) {
    return numbered_classes(json_get_or<int64_t>(config, "num_labels", 2, kConfig));
  }
  require(named->is_object() && !named->empty(), ErrorKind::format,
          "{}: \"id2label\" must be an object with a name for each number", kConfig);
  std::vector<std::string> names;
  for (std::size_t i = 0; i < named->size(); ++i) {
    const auto it = named->find(std::to_string(i));
    require(it != named->end() && it->is_string(), ErrorKind::format,
            "{}: \"id2label\" has {} entries and must name the classes 0 to {}; \"{}\" is missing or no text", kConfig,
            named->size(), named->size() - 1, i);
    names.push_back(it->get<std::string>());
  }
  return names;
}

OrderedJson with_classes(OrderedJson config, const std::vector<std::string>& names) {
  const auto type = config.value("model_type", std::string());
  config["architectures"] = OrderedJson::array({fmt::format("{}{}", class_name(type), kClassifier)});
  config["id2label"] = OrderedJson::object();
  config["label2id"] = OrderedJson::object();
  for (std::size_t i = 0; i < names.size(); ++i) {
    config["id2label"][std::to_string(i)] = names[i];
    config["label2id"][names[i]] = i;
  }
  config.erase("num_labels");
  return config;
}

}  // namespace dstorch::models
