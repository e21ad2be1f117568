#include "text/tokenizer_config.h"

#include <algorithm>
#include <charconv>

#include "core/json.h"
#include "text/vocab.h"

namespace dstorch::text {
namespace {

Json read_if_there(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) {
    return Json::object();
  }
  Json json = read_json(path);
  require(json.is_object(), ErrorKind::format, "{} must be a JSON object", path.string());
  return json;
}

// "<s>" or {"content": "<s>", "lstrip": false, ...}.
AddedToken read_token(const Json& json, bool special, std::string_view where) {
  AddedToken token;
  token.id = -1;
  token.special = special;
  if (json.is_string()) {
    token.content = json.get<std::string>();
    return token;
  }
  token.content = json_get<std::string>(json, "content", where);
  token.single_word = json_get_or<bool>(json, "single_word", false, where);
  token.lstrip = json_get_or<bool>(json, "lstrip", false, where);
  token.rstrip = json_get_or<bool>(json, "rstrip", false, where);
  token.normalized = json_get_or<bool>(json, "normalized", false, where);
  token.special = json_get_or<bool>(json, "special", special, where);
  return token;
}

int64_t checked_id(int64_t id, std::string_view where) {
  require(id >= 0 && id < Vocab::kMaxId, ErrorKind::format, "{}: token ids must be in [0, {}), got {}", where,
          Vocab::kMaxId, id);
  return id;
}

int64_t parse_id(const std::string& text, std::string_view where) {
  int64_t id = -1;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), id);
  require(result.ec == std::errc() && result.ptr == text.data() + text.size(), ErrorKind::format,
          "{}: \"{}\" must be a token id", where, text);
  return checked_id(id, where);
}

// A token that is named. What is known of it already stays, but that it is special.
void add(std::vector<AddedToken>& tokens, AddedToken token) {
  const auto known = std::find_if(tokens.begin(), tokens.end(),
                                  [&](const AddedToken& other) { return other.content == token.content; });
  if (known == tokens.end()) {
    tokens.push_back(std::move(token));
  } else {
    known->special = known->special || token.special;
  }
}

constexpr const char* kNamedTokens[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                        "pad_token", "cls_token", "mask_token"};

bool is_token(const Json& value) { return value.is_string() || value.is_object(); }

// "additional_special_tokens" and "extra_special_tokens": a list, or tokens by the names a model's code has for them.
void read_more(const Json& json, const char* name, TokenizerConfig& config, std::string_view where) {
  const auto more = json.find(name);
  if (more == json.end() || more->is_null()) {
    return;
  }
  require(more->is_array() || more->is_object(), ErrorKind::format, "{}: \"{}\" must be a list, it is {}", where, name,
          more->dump().substr(0, 80));
  for (const Json& token : *more) {
    require(is_token(token), ErrorKind::format, "{}: \"{}\" must be of tokens, one is {}", where, name,
            token.dump().substr(0, 80));
    add(config.tokens, read_token(token, true, where));
  }
}

// The special tokens that have a name, and more of them.
void read_named(const Json& json, TokenizerConfig& config, std::string_view where) {
  for (const char* name : kNamedTokens) {
    const auto found = json.find(name);
    if (found == json.end() || found->is_null()) {
      continue;
    }
    require(is_token(*found), ErrorKind::format, "{}: \"{}\" must be a token, it is {}", where, name,
            found->dump().substr(0, 80));
    AddedToken token = read_token(*found, true, where);
    if (std::string_view(name) == "bos_token") {
      config.bos_token = token.content;
    } else if (std::string_view(name) == "eos_token") {
      config.eos_token = token.content;
    }
    add(config.tokens, std::move(token));
  }
  read_more(json, "additional_special_tokens", config, where);
  read_more(json, "extra_special_tokens", config, where);
}

// In the order of their ids, which is that in which tokenizers adds them.
void sort_by_id(std::vector<AddedToken>& tokens) {
  std::stable_sort(tokens.begin(), tokens.end(), [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
}

// What special_tokens_map.json and added_tokens.json say, which came before "added_tokens_decoder": the former's names
// stand above those of tokenizer_config.json.
void read_older_files(const std::filesystem::path& directory, Json& json, TokenizerConfig& config) {
  const auto map_path = directory / "special_tokens_map.json";
  const Json map = read_if_there(map_path);
  for (const auto& [name, value] : map.items()) {
    json[name] = value;
  }
  TokenizerConfig named;
  read_named(json, named, map_path.string());
  const auto path = directory / "added_tokens.json";
  const std::string where = path.string();
  const Json added = read_if_there(path);
  for (const auto& [content, id] : added.items()) {
    AddedToken token;
    token.content = content;
    token.id = checked_id(json_get<int64_t>(added, content, where), where);
    token.special = std::any_of(named.tokens.begin(), named.tokens.end(),
                                [&](const AddedToken& other) { return other.content == token.content; });
    token.normalized = !token.special;
    config.tokens.push_back(std::move(token));
  }
}

std::optional<bool> read_flag(const Json& json, const char* name, std::string_view where) {
  const auto found = json.find(name);
  return found != json.end() && !found->is_null() ? std::optional<bool>(json_get<bool>(json, name, where))
                                                  : std::nullopt;
}

}  // namespace

TokenizerConfig read_tokenizer_config(const std::filesystem::path& directory) {
  TokenizerConfig config;
  const auto path = directory / "tokenizer_config.json";
  const std::string where = path.string();
  Json json = read_if_there(path);
  if (json.contains("added_tokens_decoder")) {
    const auto decoder = json_get<Json>(json, "added_tokens_decoder", where);
    require(decoder.is_object(), ErrorKind::format, "{}: \"added_tokens_decoder\" must be an object", where);
    for (const auto& [id, entry] : decoder.items()) {
      AddedToken token = read_token(entry, false, where);
      token.id = parse_id(id, where);
      config.tokens.push_back(std::move(token));
    }
  } else {
    read_older_files(directory, json, config);
  }
  sort_by_id(config.tokens);
  read_named(json, config, where);
  config.tokenizer_class = json_get_or<std::string>(json, "tokenizer_class", "", where);
  config.add_bos_token = read_flag(json, "add_bos_token", where);
  config.add_eos_token = read_flag(json, "add_eos_token", where);
  config.add_prefix_space = read_flag(json, "add_prefix_space", where);
  config.legacy = read_flag(json, "legacy", where).value_or(false);
  return config;
}

}  // namespace dstorch::text
