#include "text/chat/template_files.h"

#include "core/mapped_file.h"
#include "text/chat/message_json.h"

namespace dstorch::text {
namespace {

namespace fs = std::filesystem;

std::string read_text(const fs::path& path) {
  const auto file = MappedFile::open(path);
  const auto bytes = file->bytes();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

OrderedJson read_object(const fs::path& path) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) {
    return OrderedJson::object();
  }
  OrderedJson json = parse_ordered_json(read_text(path), path.string());
  require(json.is_object(), ErrorKind::format, "{} must be a JSON object", path.string());
  return json;
}

// chat_template.jinja, and additional_chat_templates/NAME.jinja beside it.
void read_jinja_files(const fs::path& directory, TemplateFiles& files) {
  std::error_code ignored;
  if (fs::exists(directory / "chat_template.jinja", ignored)) {
    files.sources["default"] = read_text(directory / "chat_template.jinja");
  }
  for (const auto& entry : fs::directory_iterator(directory / "additional_chat_templates", ignored)) {
    if (entry.path().extension() == ".jinja") {
      files.sources[entry.path().stem().string()] = read_text(entry.path());
    }
  }
}

// "chat_template": a text, [{"name": ..., "template": ...}, ...] or {name: text}.
void read_config(const OrderedJson& config, const std::string& where, TemplateFiles& files) {
  const auto found = config.find("chat_template");
  if (found == config.end() || found->is_null()) {
    return;
  }
  const auto add = [&](const std::string& name, const OrderedJson& source) {
    require(source.is_string(), ErrorKind::format, "{}: the chat template \"{}\" must be text", where, name);
    files.sources[name] = source.get<std::string>();
  };
  if (found->is_array()) {
    for (const OrderedJson& named : *found) {
      require(named.is_object() && named.contains("name") && named["name"].is_string() && named.contains("template"),
              ErrorKind::format, "{}: each of \"chat_template\" must have \"name\" and \"template\"", where);
      add(named["name"].get<std::string>(), named["template"]);
    }
  } else if (found->is_object()) {
    for (const auto& [name, source] : found->items()) {
      add(name, source);
    }
  } else {
    add("default", *found);
  }
}

// Adds those of `json` that are text, or an object whose "content" is: all of them, or every "..._token".
void read_tokens(const OrderedJson& json, bool all, OrderedJson& tokens) {
  for (const auto& [key, value] : json.items()) {
    if (!all && !key.ends_with("_token")) {
      continue;
    }
    if (value.is_string()) {
      tokens[key] = value;
    } else if (value.is_object() && value.contains("content") && value["content"].is_string()) {
      tokens[key] = value["content"];
    }
  }
}

}  // namespace

TemplateFiles read_template_files(const fs::path& directory) {
  TemplateFiles files;
  const fs::path config_path = directory / "tokenizer_config.json";
  files.where = directory.string();
  const OrderedJson config = read_object(config_path);
  read_tokens(config, false, files.special_tokens);
  if (config.contains("extra_special_tokens") && config["extra_special_tokens"].is_object()) {
    read_tokens(config["extra_special_tokens"], true, files.special_tokens);
  }
  // Older than "added_tokens_decoder", which has made it superfluous.
  if (!config.contains("added_tokens_decoder")) {
    read_tokens(read_object(directory / "special_tokens_map.json"), false, files.special_tokens);
  }
  std::error_code ignored;
  if (!fs::exists(directory / "chat_template.jinja", ignored)) {
    read_config(config, config_path.string(), files);
  }
  read_jinja_files(directory, files);
  require(!files.sources.empty(), ErrorKind::not_found,
          "{} has no chat template: looked for chat_template.jinja, additional_chat_templates/*.jinja and "
          "\"chat_template\" in tokenizer_config.json. Give the model a template, or a prompt as plain text",
          directory.string());
  return files;
}

}  // namespace dstorch::text
