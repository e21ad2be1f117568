// Reading a tokenizer.json.
#include <string>
#include <utility>
#include <vector>

#include "core/atomic_file.h"
#include "core/json.h"
#include "text/load.h"
#include "text/tokenizer_config.h"
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
  const auto dropout = json_get_or<double>(model, "dropout", 0.0, where);
  require(dropout == 0, ErrorKind::unsupported,
          "{}: \"model.dropout\" must be null or 0, since a text is to have the same tokens each time; it is {}", where,
          dropout);
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
  // At each place of a text they are compared with what is there.
  constexpr std::size_t kMostBytes = 1024;
  std::vector<AddedToken> tokens;
  for (const Json& entry : json_get_or<Json>(json, "added_tokens", Json::array(), where)) {
    AddedToken& token = tokens.emplace_back();
    token.id = json_get<int64_t>(entry, "id", where);  // told, but numbered anew
    token.content = json_get<std::string>(entry, "content", where);
    require(token.content.size() <= kMostBytes, ErrorKind::unsupported,
            "{}: an added token must have at most {} bytes, \"{}\" has {}", where, kMostBytes,
            token.content.substr(0, 40), token.content.size());
    token.single_word = json_get_or<bool>(entry, "single_word", false, where);
    token.lstrip = json_get_or<bool>(entry, "lstrip", false, where);
    token.rstrip = json_get_or<bool>(entry, "rstrip", false, where);
    token.special = json_get_or<bool>(entry, "special", false, where);
    token.normalized = json_get_or<bool>(entry, "normalized", !token.special, where);
  }
  return tokens;
}

bool is_any(const Json&) { return true; }

bool makes_text_longer(const Json& step) {
  const auto type = step.find("type");
  return type != step.end() && (*type == "ByteLevel" || *type == "Metaspace");
}

/// How many of the steps in `json`, Sequences (whose steps are in `list`) taken apart, `counts`.
std::size_t count_steps(const Json& json, const char* list, bool (*counts)(const Json&)) {
  if (!json.is_object()) {
    return 0;
  }
  const auto steps = json.find(list);
  if (steps == json.end() || !steps->is_array()) {
    return counts(json) ? 1 : 0;
  }
  std::size_t count = 0;
  for (const Json& step : *steps) {
    count += count_steps(step, list, counts);
  }
  return count;
}

/// Each step goes through the whole text, so that their number is the work; tokenizers in use have up to ten or so.
void require_few_steps(const Json& json, const char* list, std::string_view where) {
  constexpr std::size_t kMostSteps = 64;
  const auto steps = count_steps(json, list, is_any);
  require(steps <= kMostSteps, ErrorKind::unsupported, "{}: there must be at most {} {}, got {}", where, kMostSteps,
          list, steps);
}

/// ByteLevel can double a text and Metaspace treble it, one after another each what the last one made.
void require_few_longer(const Json& json, std::string_view where) {
  constexpr std::size_t kMost = 4;
  const auto steps = count_steps(json, "pretokenizers", makes_text_longer);
  require(steps <= kMost, ErrorKind::unsupported,
          "{}: of ByteLevel and Metaspace there must be at most {} among the pretokenizers, got {}", where, kMost,
          steps);
}

/// A text is neither cut nor filled up here: a file that asks for it means other tokens than those it would get.
void require_whole_texts(const Json& json, std::string_view where) {
  const auto truncation = json.find("truncation");
  require(truncation == json.end() || truncation->is_null(), ErrorKind::unsupported,
          "{}: \"truncation\" must be null: a text is never cut here, what is too long is an error where it is used",
          where);
  const auto padding = json.find("padding");
  if (padding == json.end() || padding->is_null()) {
    return;
  }
  // One text is the longest of its batch, so that nothing is added to it.
  const bool to_longest = padding->is_object() &&
                          json_get_or<Json>(*padding, "strategy", {}, where) == "BatchLongest" &&
                          json_get_or<int64_t>(*padding, "pad_to_multiple_of", 0, where) <= 1;
  require(to_longest, ErrorKind::unsupported,
          "{}: \"padding\" must be null or to the longest of a batch: a text is never filled up here", where);
}

std::shared_ptr<const Tokenizer> make_tokenizer(TokenizerJson file, std::string_view where,
                                                std::vector<AddedToken> more_tokens) {
  const Json& json = file.rest;
  require_whole_texts(json, where);
  const auto part = [&](const char* key) {
    const auto found = json.find(key);
    return found == json.end() ? Json() : *found;
  };
  require_few_steps(part("normalizer"), "normalizers", where);
  require_few_steps(part("pre_tokenizer"), "pretokenizers", where);
  require_few_longer(part("pre_tokenizer"), where);
  require_few_steps(part("decoder"), "decoders", where);
  TokenizerParts parts;
  parts.model = read_model(file, where);
  parts.normalizer = make_normalizer(part("normalizer"));
  parts.pre_tokenizer = make_pre_tokenizer(part("pre_tokenizer"));
  parts.post_processor = PostProcessor::from_json(part("post_processor"));
  parts.decoder = make_decoder(part("decoder"));
  add_tokens(parts.added_tokens, read_added_tokens(json, where), parts.model->vocab());
  add_tokens(parts.added_tokens, std::move(more_tokens), parts.model->vocab());
  return std::make_shared<JsonTokenizer>(std::move(parts));
}

std::shared_ptr<const Tokenizer> read_tokenizer(std::string_view text, std::string_view where,
                                                std::vector<AddedToken> more_tokens) {
  TokenizerJson file = read_tokenizer_json(text, where);
  require(file.rest.is_object(), ErrorKind::format, "{} must be a JSON object", where);
  return name_file_in_errors(where, [&] { return make_tokenizer(std::move(file), where, std::move(more_tokens)); });
}

}  // namespace

std::shared_ptr<const Tokenizer> tokenizer_from_json(std::string_view text, std::string_view where) {
  return read_tokenizer(text, where, {});
}

std::shared_ptr<const Tokenizer> load_tokenizer_json(const std::filesystem::path& path) {
  return read_tokenizer(read_file(path), path.string(), read_tokenizer_config(path.parent_path()).tokens);
}

}  // namespace dstorch::text
