// Reading a tokenizer.json.
#include <string>
#include <utility>
#include <vector>

#include "core/json.h"
#include "text/load.h"
#include "text/tokenizer_json_reader.h"

namespace dstorch::text {
namespace {

std::unique_ptr<const BpeModel> read_model(TokenizerJson& file, std::string_view where) {
  const auto model = json_get<Json>(file.rest, "model", where);
  require(model.is_object(), ErrorKind::format, "{}: \"model\" must be an object", where);
  const auto type = json_get_or<std::string>(model, "type", file.has_merges ? "BPE" : "unknown", where);
  require(type == "BPE", ErrorKind::unsupported, "{}: model type \"{}\" is not supported; known are: BPE", where, type);
  require(file.has_vocab, ErrorKind::format, "{}: \"model.vocab\" must be an object", where);
  require(file.has_merges, ErrorKind::format, "{}: \"model.merges\" must be an array", where);
  BpeOptions options;
  options.unk_token = json_get_or<std::string>(model, "unk_token", "", where);
  options.fuse_unk = json_get_or<bool>(model, "fuse_unk", false, where);
  options.byte_fallback = json_get_or<bool>(model, "byte_fallback", false, where);
  options.ignore_merges = json_get_or<bool>(model, "ignore_merges", false, where);
  options.continuing_subword_prefix = json_get_or<std::string>(model, "continuing_subword_prefix", "", where);
  options.end_of_word_suffix = json_get_or<std::string>(model, "end_of_word_suffix", "", where);
  return std::make_unique<BpeModel>(std::move(file.vocab), file.merges, std::move(options));
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
  TokenizerJson file = read_tokenizer_json(text, where);
  const Json& json = file.rest;
  require(json.is_object(), ErrorKind::format, "{} must be a JSON object", where);
  const auto part = [&](const char* key) {
    const auto found = json.find(key);
    return found == json.end() ? Json() : *found;
  };
  TokenizerParts parts;
  parts.model = read_model(file, where);
  parts.normalizer = make_normalizer(part("normalizer"));
  parts.pre_tokenizer = make_pre_tokenizer(part("pre_tokenizer"));
  parts.post_processor = PostProcessor::from_json(part("post_processor"));
  parts.decoder = make_decoder(part("decoder"));
  parts.added_tokens = read_added_tokens(json, where);
  return std::make_shared<JsonTokenizer>(std::move(parts));
}

}  // namespace dstorch::text
