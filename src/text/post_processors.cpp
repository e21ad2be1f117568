#include "text/post_processors.h"

#include <algorithm>
#include <string>
#include <utility>

namespace dstorch::text {
namespace {

constexpr std::string_view kPostProcessor = "post_processor";
// What no real tokenizer comes near, so that a hostile one cannot multiply the text at will.
constexpr std::size_t kMaxCopies = 16;
constexpr std::size_t kMaxPieces = 1024;

int64_t token_id(const Json& id) {
  require(id.is_number() && fits_integer<int64_t>(id), ErrorKind::format,
          "{}: a token id must be a whole number, it is {}", kPostProcessor, id.dump().substr(0, 80));
  return id.get<int64_t>();
}

/// The id in ["[CLS]", 101].
int64_t id_of_pair(const Json& json, const char* key) {
  const auto pair = json_get<Json>(json, key, kPostProcessor);
  require(pair.is_array() && pair.size() == 2 && pair[0].is_string(), ErrorKind::format,
          "{}: \"{}\" must be a token and its id, it is {}", kPostProcessor, key, pair.dump().substr(0, 80));
  return token_id(pair[1]);
}

}  // namespace

PostProcessor PostProcessor::from_json(const Json& json) {
  PostProcessor processor;
  processor.add(json);
  return processor;
}

PostProcessor PostProcessor::around(std::vector<int64_t> before, std::vector<int64_t> after) {
  Template around(before.begin(), before.end());
  around.emplace_back(std::nullopt);
  around.insert(around.end(), after.begin(), after.end());
  PostProcessor processor;
  processor.templates_.push_back(std::move(around));
  return processor;
}

void PostProcessor::add(const Json& json) {
  if (json.is_null()) {
    return;
  }
  const auto type = json_get<std::string>(json, "type", kPostProcessor);
  if (type == "Sequence") {
    for (const Json& processor : json_get<Json>(json, "processors", kPostProcessor)) {
      add(processor);
    }
  } else if (type == "TemplateProcessing") {
    add_template(json);
  } else if (type == "BertProcessing" || type == "RobertaProcessing") {
    add_bert(json);
  } else {
    // ByteLevel only moves the offsets of tokens, which nobody asks for here.
    require(type == "ByteLevel", ErrorKind::unsupported,
            "post_processor \"{}\" is not supported; known are TemplateProcessing, ByteLevel, BertProcessing, "
            "RobertaProcessing and Sequence",
            type);
  }
}

void PostProcessor::add_template(const Json& json) {
  const auto special = json_get_or<Json>(json, "special_tokens", Json::object(), kPostProcessor);
  Template pieces;
  for (const Json& piece : json_get<Json>(json, "single", kPostProcessor)) {
    if (piece.is_object() && piece.contains("Sequence")) {
      pieces.emplace_back(std::nullopt);
      continue;
    }
    const auto token = json_get<Json>(piece, "SpecialToken", kPostProcessor);
    const auto name = json_get<std::string>(token, "id", kPostProcessor);
    const auto entry = json_get<Json>(special, name, "post_processor special_tokens");
    for (const Json& id : json_get<Json>(entry, "ids", kPostProcessor)) {
      pieces.emplace_back(token_id(id));
    }
  }
  const auto texts = static_cast<std::size_t>(std::count(pieces.begin(), pieces.end(), std::nullopt));
  copies_ *= texts;
  require(copies_ <= kMaxCopies && pieces.size() <= kMaxPieces && templates_.size() < kMaxPieces,
          ErrorKind::unsupported, "post_processor: the text must come at most {} times, with at most {} special tokens",
          kMaxCopies, kMaxPieces);
  templates_.push_back(std::move(pieces));
}

void PostProcessor::add_bert(const Json& json) {
  templates_.push_back({id_of_pair(json, "cls"), std::nullopt, id_of_pair(json, "sep")});
}

void PostProcessor::require_ids_below(int64_t vocab_size) const {
  for (const Template& pieces : templates_) {
    for (const auto& id : pieces) {
      require(!id || (*id >= 0 && *id < vocab_size), ErrorKind::format,
              "{}: the ids of special tokens must be in [0, {}), got {}", kPostProcessor, vocab_size, id.value_or(0));
    }
  }
}

void PostProcessor::apply(std::vector<int64_t>& ids, bool add_special_tokens) const {
  for (const Template& pieces : templates_) {
    std::vector<int64_t> out;
    out.reserve(ids.size() + pieces.size());
    for (const auto& piece : pieces) {
      if (!piece) {
        out.insert(out.end(), ids.begin(), ids.end());
      } else if (add_special_tokens) {
        out.push_back(*piece);
      }
    }
    ids = std::move(out);
  }
}

}  // namespace dstorch::text
