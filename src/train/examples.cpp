#include "train/examples.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "core/json.h"
#include "core/mapped_file.h"
#include "core/throw.h"
#include "train/data_lines.h"

namespace dstorch::training {
namespace {

std::string text_of(const Json& line, const char* key) {
  const auto& value = line.at(key);
  require(value.is_string(), ErrorKind::format, "\"{}\" must be a text, it is {}", key, value.dump().substr(0, 60));
  return value.get<std::string>();
}

/// A label as text: numbers name classes too.
std::string label_name(const Json& label) {
  require(label.is_string() || label.is_number_integer(), ErrorKind::format,
          "\"label\" must be a text or a whole number, it is {}", label.dump().substr(0, 60));
  return label.is_string() ? label.get<std::string>() : label.dump();
}

void require_keys(const Json& line, std::initializer_list<const char*> keys) {
  for (const auto& entry : line.items()) {
    require(std::find(keys.begin(), keys.end(), entry.key()) != keys.end(), ErrorKind::format,
            "\"{}\" has no meaning beside \"{}\"", entry.key(), *keys.begin());
  }
}

class Reader {
 public:
  explicit Reader(const ExampleRules& rules) : rules_(rules) {}

  std::vector<Example> line(std::string_view text) const {
    Json json;
    try {
      json = parse_json(text, "the line");
    } catch (const LMError& e) {
      fail(ErrorKind::format, "{}", e.what());
    }
    require(json.is_object(), ErrorKind::format, "must be a JSON object");
    if (!rules_.classes.empty()) {
      require_keys(json, {"text", "label"});
      require(json.contains("text") && json.contains("label"), ErrorKind::format,
              "must have \"text\" and \"label\": the model learns classes");
      return {labelled(text_of(json, "text"), json["label"])};
    }
    if (json.contains("messages")) {
      require_keys(json, {"messages", "tools"});
      return {conversation(json)};
    }
    if (json.contains("prompt")) {
      require_keys(json, {"prompt", "completion"});
      require(json.contains("completion"), ErrorKind::format, "must have \"completion\" beside \"prompt\"");
      return {pair(text_of(json, "prompt"), text_of(json, "completion"))};
    }
    require(json.contains("text"), ErrorKind::format,
            "must have \"prompt\" and \"completion\", or \"messages\", or \"text\"");
    require(!json.contains("label"), ErrorKind::format, "has a \"label\", and the first line has none");
    require_keys(json, {"text"});
    return plain(text_of(json, "text"));
  }

  [[nodiscard]] std::vector<Example> plain(const std::string& text) const {
    Example whole;
    append(whole, text, true, {.add_special_tokens = true, .parse_special_tokens = false});
    append_end(whole);
    require(whole.length() >= 2, ErrorKind::format, "must have text");
    const auto most = rules_.sequence_length;
    std::vector<Example> parts;
    // Each part begins with the last token of the one before, from which its first is predicted.
    for (int64_t begin = 0; begin + 1 < whole.length(); begin += most - 1) {
      const auto end = std::min(begin + most, whole.length());
      Example part;
      part.ids.assign(whole.ids.begin() + begin, whole.ids.begin() + end);
      part.learned.assign(part.ids.size(), true);
      parts.push_back(std::move(part));
    }
    return parts;
  }

 private:
  void append(Example& example, const std::string& text, bool learned, const EncodeOptions& options) const {
    for (const auto id : rules_.tokenizer->encode(text, options)) {
      example.ids.push_back(static_cast<int32_t>(id));
      example.learned.push_back(learned);
    }
  }

  void append_end(Example& example) const {
    if (rules_.end_token) {
      example.ids.push_back(static_cast<int32_t>(*rules_.end_token));
      example.learned.push_back(true);
    }
  }

  void check_length(const Example& example) const {
    require(
        example.length() <= rules_.sequence_length, ErrorKind::format,
        "has {} tokens, and a sequence at most {}: shorten it, or take a larger sequence_length (--sequence-length)",
        example.length(), rules_.sequence_length);
    require(example.learned_count() > 0, ErrorKind::format, "has nothing to learn");
  }

  [[nodiscard]] Example pair(std::string prompt, std::string completion) const {
    Example example;
    append(example, prompt, false, {.add_special_tokens = true, .parse_special_tokens = true});
    append(example, completion, true, {.add_special_tokens = false, .parse_special_tokens = false});
    append_end(example);
    example.prompt = std::move(prompt);
    example.completion = std::move(completion);
    check_length(example);
    return example;
  }

  [[nodiscard]] Example labelled(std::string text, const Json& label) const {
    const auto name = label_name(label);
    const auto it = std::find(rules_.classes.begin(), rules_.classes.end(), name);
    require(it != rules_.classes.end(), ErrorKind::format, "\"label\" is {}, and the classes are {}", label.dump(),
            fmt::join(rules_.classes, ", "));
    Example example;
    append(example, text, false, {.add_special_tokens = true, .parse_special_tokens = false});
    require(!example.ids.empty(), ErrorKind::format, "must have text");
    example.label = it - rules_.classes.begin();
    example.prompt = std::move(text);
    example.completion = name;
    check_length(example);
    return example;
  }

  /// Renders the conversation up to each thing that the assistant says, and past it: what is between is learned.
  [[nodiscard]] Example conversation(const Json& line) const {
    require(rules_.chat != nullptr, ErrorKind::format,
            "has \"messages\", and the model has no chat template to write them with");
    const auto& messages = line.at("messages");
    require(messages.is_array() && !messages.empty(), ErrorKind::format, "\"messages\" must be a list of messages");
    ChatTemplateOptions options;
    if (line.contains("tools")) {
      options.tools = parse_tools(line.at("tools").dump());
    }
    const auto render = [&](std::size_t count, bool begins_answer) {
      options.add_generation_prompt = begins_answer;
      return rules_.chat->render_json(
          Json(messages.begin(), messages.begin() + static_cast<std::ptrdiff_t>(count)).dump(), options);
    };
    Example example;
    std::string done;  // of the text
    const auto add = [&](const std::string& text, bool learned) {
      require(text.starts_with(done), ErrorKind::format,
              "the chat template writes a conversation's beginning otherwise once it goes on, so that the assistant's "
              "turns cannot be told apart; give each as a conversation of its own");
      append(example, text.substr(done.size()), learned, {.add_special_tokens = false, .parse_special_tokens = true});
      done = text;
    };
    for (std::size_t i = 0; i < messages.size(); ++i) {
      require(messages[i].is_object() && messages[i].contains("role"), ErrorKind::format,
              "message {} must be an object with a \"role\"", i + 1);
      if (messages[i]["role"] == "assistant") {
        require(i > 0, ErrorKind::format, "the assistant cannot have the first word");
        add(render(i, true), false);
        example.prompt = done;
        add(render(i + 1, false), true);
        example.completion = done.substr(example.prompt.size());
      }
    }
    require(!example.ids.empty(), ErrorKind::format, "the assistant says nothing");
    if (std::find(example.ids.begin(), example.ids.end(), rules_.end_token.value_or(-1)) == example.ids.end()) {
      append_end(example);
    }
    check_length(example);
    return example;
  }

  const ExampleRules& rules_;
};

/// Calls take(line) for each line of JSON until it returns false.
template <typename Take>
void each_json_line(std::string_view text, const Take& take) {
  for (std::size_t begin = 0; begin < text.size();) {
    const auto end = std::min(text.find('\n', begin), text.size());
    const auto json = Json::parse(text.substr(begin, end - begin), nullptr, /*allow_exceptions=*/false);
    if (!json.is_discarded() && !take(json)) {
      return;
    }
    begin = end + 1;
  }
}

}  // namespace

int64_t Example::learned_count() const {
  if (label) {
    return 1;
  }
  return learned.empty() ? 0 : std::count(learned.begin() + 1, learned.end(), true);
}

std::vector<Example> read_examples(const std::filesystem::path& path, const ExampleRules& rules) {
  const auto file = MappedFile::open(path);
  const std::string_view text(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size());
  const Reader reader(rules);
  const auto first = text.find_first_not_of(" \t\r\n");
  require(first != std::string_view::npos, ErrorKind::invalid_argument, "{} is empty: there is nothing to learn",
          path.string());
  if (text[first] != '{') {
    return reader.plain(std::string(text));
  }
  std::vector<Example> examples;
  read_data_lines(text, path, [&](std::string_view line) {
    for (auto& example : reader.line(line)) {
      examples.push_back(std::move(example));
    }
  });
  return examples;
}

std::vector<std::string> read_labels(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path);
  const std::string_view text(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size());
  std::set<std::string> names;
  std::set<int64_t> numbers;
  each_json_line(text, [&](const Json& line) {
    const auto label = line.is_object() ? line.find("label") : line.end();
    if (label == line.end()) {
      return !names.empty() || !numbers.empty();  // the first line decides
    }
    if (label->is_number_integer()) {
      numbers.insert(label->get<int64_t>());
    } else if (label->is_string()) {
      names.insert(label->get<std::string>());
    }
    return true;
  });
  std::vector<std::string> labels;
  for (const auto number : numbers) {
    labels.push_back(std::to_string(number));
    names.erase(labels.back());
  }
  labels.insert(labels.end(), names.begin(), names.end());
  return labels;
}

}  // namespace dstorch::training
