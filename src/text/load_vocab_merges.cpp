// Reading vocab.json and merges.txt, as GPT-2 and those after it came before tokenizer.json.
#include <algorithm>
#include <string>
#include <utility>

#include "core/atomic_file.h"
#include "core/json.h"
#include "text/fast_patterns.h"
#include "text/load.h"
#include "text/tokenizer_config.h"
#include "text/tokenizer_json_reader.h"

namespace dstorch::text {
namespace {

Vocab read_vocab(const std::filesystem::path& path) {
  const Json json = read_json(path);
  require(json.is_object(), ErrorKind::format, "{} must be a JSON object of tokens and ids", path.string());
  Vocab vocab;
  for (const auto& [token, id] : json.items()) {
    require(id.is_number_integer() && fits_integer<int64_t>(id), ErrorKind::format,
            "{}: the id of token \"{}\" must be an integer", path.string(), token);
    vocab.add(token, id.get<int64_t>());
  }
  return vocab;
}

MergeList read_merges(const std::filesystem::path& path) {
  const std::string content = read_file(path);
  std::string_view text = content;
  MergeList merges;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) {
      line.remove_suffix(1);
    }
    if (!line.empty() && !line.starts_with("#version")) {
      merges.add(line);
    }
  }
  return merges;
}

}  // namespace

std::shared_ptr<const Tokenizer> load_vocab_merges(const std::filesystem::path& vocab_path,
                                                   const std::filesystem::path& merges_path) {
  TokenizerConfig config = read_tokenizer_config(vocab_path.parent_path());
  Vocab vocab = read_vocab(vocab_path);
  constexpr std::string_view kEndOfText = "<|endoftext|>";
  if (config.tokens.empty() && vocab.find(kEndOfText) != Vocab::kNone) {
    config.tokens.push_back({vocab.find(kEndOfText), std::string(kEndOfText), false, false, false, false, true});
    config.bos_token = kEndOfText;
  }
  TokenizerParts parts;
  add_tokens(parts.added_tokens, std::move(config.tokens), vocab);
  const bool qwen2 = config.tokenizer_class.starts_with("Qwen2");
  if (qwen2) {
    parts.normalizer = make_normalizer({{"type", "NFC"}});
    const Json split = {{"type", "Split"},
                        {"pattern", {{"Regex", pattern_text(FastPattern::qwen2)}}},
                        {"behavior", "Isolated"},
                        {"invert", false}};
    const Json bytes = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}};
    parts.pre_tokenizer = make_pre_tokenizer({{"type", "Sequence"}, {"pretokenizers", {split, bytes}}});
  } else {
    parts.pre_tokenizer = make_byte_level_pre_tokenizer(config.add_prefix_space.value_or(false));
  }
  parts.decoder = make_byte_level_decoder();
  const auto merges = read_merges(merges_path);
  std::vector<int64_t> before;
  std::vector<int64_t> after;
  for (const AddedToken& token : parts.added_tokens) {
    if (config.add_bos_token.value_or(false) && token.content == config.bos_token) {
      before.push_back(token.id);
    }
    if (config.add_eos_token.value_or(false) && token.content == config.eos_token) {
      after.push_back(token.id);
    }
  }
  parts.post_processor = PostProcessor::around(std::move(before), std::move(after));
  return name_file_in_errors(merges_path.string(), [&] {
    parts.model = std::make_unique<BpeModel>(std::move(vocab), merges, BpeOptions{});
    return std::make_shared<JsonTokenizer>(std::move(parts));
  });
}

}  // namespace dstorch::text
