// Reading a tokenizer.json.
#include <string>
#include <utility>
#include <vector>

#include "core/json.h"
#include "text/json_tokenizer.h"

namespace dstorch::text {
namespace {

using Merges = std::vector<std::pair<std::string, std::string>>;

Vocab read_vocab(const Json& model, std::string_view where) {
  const auto found = model.find("vocab");
  require(found != model.end() && found->is_object(), ErrorKind::format, "{}: \"model.vocab\" must be an object",
          where);
  Vocab vocab;
  for (const auto& [token, id] : found->items()) {
    require(id.is_number_integer(), ErrorKind::format, "{}: the id of token \"{}\" must be an integer", where, token);
    vocab.add(token, id.get<int64_t>());
  }
  return vocab;
}

// ["a b", ...] or [["a", "b"], ...].
Merges read_merges(const Json& model, std::string_view where) {
  const auto found = model.find("merges");
  require(found != model.end() && found->is_array(), ErrorKind::format, "{}: \"model.merges\" must be an array", where);
  Merges merges;
  merges.reserve(found->size());
  for (const Json& merge : *found) {
    if (merge.is_array()) {
      require(merge.size() == 2 && merge[0].is_string() && merge[1].is_string(), ErrorKind::format,
              "{}: merge {} must be two tokens, got {}", where, merges.size(), merge.dump().substr(0, 80));
      merges.emplace_back(merge[0].get<std::string>(), merge[1].get<std::string>());
      continue;
    }
    require(merge.is_string(), ErrorKind::format, "{}: merge {} must be two tokens, got {}", where, merges.size(),
            merge.dump().substr(0, 80));
    const auto& text = merge.get_ref<const std::string&>();
    if (text.starts_with("#version")) {
      continue;
    }
    const std::size_t space = text.find(' ');
    require(space != std::string::npos && text.find(' ', space + 1) == std::string::npos, ErrorKind::format,
            "{}: merge {} must be two tokens with a space between, got \"{}\"", where, merges.size(),
            text.substr(0, 80));
    merges.emplace_back(text.substr(0, space), text.substr(space + 1));
  }
  return merges;
}

std::unique_ptr<const BpeModel> read_model(const Json& model, std::string_view where) {
  require(model.is_object(), ErrorKind::format, "{}: \"model\" must be an object", where);
  const auto type = json_get_or<std::string>(model, "type", model.contains("merges") ? "BPE" : "unknown", where);
  require(type == "BPE", ErrorKind::unsupported, "{}: model type \"{}\" is not supported; known are: BPE", where, type);
  BpeOptions options;
  options.unk_token = json_get_or<std::string>(model, "unk_token", "", where);
  options.fuse_unk = json_get_or<bool>(model, "fuse_unk", false, where);
  options.byte_fallback = json_get_or<bool>(model, "byte_fallback", false, where);
  options.ignore_merges = json_get_or<bool>(model, "ignore_merges", false, where);
  options.continuing_subword_prefix = json_get_or<std::string>(model, "continuing_subword_prefix", "", where);
  options.end_of_word_suffix = json_get_or<std::string>(model, "end_of_word_suffix", "", where);
  return std::make_unique<BpeModel>(read_vocab(model, where), read_merges(model, where), std::move(options));
}

std::vector<AddedToken> read_added_tokens(const Json& json, std::string_view where) {
  std::vector<AddedToken> tokens;
  for (const Json& entry : json_get_or<Json>(json, "added_tokens", Json::array(), where)) {
    AddedToken& token = tokens.emplace_back();
    token.id = json_get<int64_t>(entry, "id", where);
    token.content = json_get<std::string>(entry, "content", where);
    token.single_word = json_get_or<bool>(entry, "single_word", false, where);
    token.lstrip = json_get_or<bool>(entry, "lstrip", false, where);
    token.rstrip = json_get_or<bool>(entry, "rstrip", false, where);
    token.special = json_get_or<bool>(entry, "special", false, where);
    token.normalized = json_get_or<bool>(entry, "normalized", !token.special, where);
  }
  return tokens;
}

}  // namespace

std::shared_ptr<const Tokenizer> tokenizer_from_json(std::string_view text, std::string_view where) {
  const Json json = parse_json(text, where);
  require(json.is_object(), ErrorKind::format, "{} must be a JSON object", where);
  const auto part = [&](const char* key) {
    const auto found = json.find(key);
    return found == json.end() ? Json() : *found;
  };
  TokenizerParts parts;
  parts.model = read_model(json_get<Json>(json, "model", where), where);
  parts.normalizer = make_normalizer(part("normalizer"));
  parts.pre_tokenizer = make_pre_tokenizer(part("pre_tokenizer"));
  parts.post_processor = PostProcessor::from_json(part("post_processor"));
  parts.decoder = make_decoder(part("decoder"));
  parts.added_tokens = read_added_tokens(json, where);
  return std::make_shared<JsonTokenizer>(std::move(parts));
}

}  // namespace dstorch::text
