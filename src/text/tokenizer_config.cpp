#include "text/tokenizer_config.h"

#include <algorithm>
#include <charconv>

#include "core/json.h"

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

int64_t parse_id(const std::string& text, std::string_view where) {
  int64_t id = -1;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), id);
  require(result.ec == std::errc() && result.ptr == text.data() + text.size() && id >= 0, ErrorKind::format,
          "{}: \"{}\" must be a token id", where, text);
  return id;
}

// What comes again only adds to what is known.
void add(std::vector<AddedToken>& tokens, AddedToken token) {
  const auto known = std::find_if(tokens.begin(), tokens.end(),
                                  [&](const AddedToken& other) { return other.content == token.content; });
  if (known == tokens.end()) {
    tokens.push_back(std::move(token));
  } else {
    known->id = known->id < 0 ? token.id : known->id;
    known->special = known->special || token.special;
  }
}

constexpr const char* kNamedTokens[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                        "pad_token", "cls_token", "mask_token"};

// The named special tokens and "additional_special_tokens", in either of the two files.
void read_named(const Json& json, TokenizerConfig& config, std::string_view where) {
  const auto is_token = [](const Json& value) { return value.is_string() || value.is_object(); };
  for (const char* name : kNamedTokens) {
    const auto found = json.find(name);
    if (found == json.end() || !is_token(*found)) {
      continue;
    }
    AddedToken token = read_token(*found, true, where);
    if (std::string_view(name) == "bos_token") {
      config.bos_token = token.content;
    } else if (std::string_view(name) == "eos_token") {
      config.eos_token = token.content;
    }
    add(config.tokens, std::move(token));
  }
  const auto more = json.find("additional_special_tokens");
  if (more != json.end() && more->is_array()) {
    for (const Json& token : *more) {
      add(config.tokens, read_token(token, true, where));
    }
  }
}

std::optional<bool> read_flag(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found != json.end() && found->is_boolean() ? std::optional<bool>(found->get<bool>()) : std::nullopt;
}

}  // namespace

TokenizerConfig read_tokenizer_config(const std::filesystem::path& directory) {
  TokenizerConfig config;
  const auto path = directory / "tokenizer_config.json";
  const std::string where = path.string();
  const Json json = read_if_there(path);
  const Json decoder = json_get_or<Json>(json, "added_tokens_decoder", Json::object(), where);
  require(decoder.is_object(), ErrorKind::format, "{}: \"added_tokens_decoder\" must be an object", where);
  for (const auto& [id, entry] : decoder.items()) {
    AddedToken token = read_token(entry, false, where);
    token.id = parse_id(id, where);
    add(config.tokens, std::move(token));
  }
  const auto added_path = directory / "added_tokens.json";
  const Json added = read_if_there(added_path);
  for (const auto& [content, id] : added.items()) {
    require(id.is_number_integer(), ErrorKind::format, "{}: the id of \"{}\" must be an integer", added_path.string(),
            content);
    AddedToken token;
    token.content = content;
    token.id = id.get<int64_t>();
    add(config.tokens, std::move(token));
  }
  read_named(read_if_there(directory / "special_tokens_map.json"), config, where);
  read_named(json, config, where);
  config.tokenizer_class = json_get_or<std::string>(json, "tokenizer_class", "", where);
  config.add_bos_token = read_flag(json, "add_bos_token");
  config.add_eos_token = read_flag(json, "add_eos_token");
  config.add_prefix_space = read_flag(json, "add_prefix_space");
  return config;
}

}  // namespace dstorch::text
