#include "text/sentencepiece_tokenizer.h"

#include <algorithm>
#include <utility>

#include "core/atomic_file.h"
#include "core/throw.h"
#include "text/load.h"
#include "text/sentencepiece_decoder.h"
#include "text/utf8.h"

namespace dstorch::text {
namespace {

SentencePieceModel with_config(SentencePieceModel model, const TokenizerConfig& config) {
  model.add_dummy_prefix = model.add_dummy_prefix && config.add_prefix_space.value_or(true);
  return model;
}

}  // namespace

SentencePieceTokenizer::SentencePieceTokenizer(std::string_view bytes, const TokenizerConfig& config,
                                               std::string_view where)
    : SentencePieceTokenizer(with_config(read_sentencepiece_model(bytes, where), config), config) {}

SentencePieceTokenizer::SentencePieceTokenizer(SentencePieceModel model, const TokenizerConfig& config)
    : encoder_(model), space_before_each_(config.legacy) {
  for (const auto& entry : model.pieces) {
    const int64_t id = vocab_size();
    vocab_.add(entry.piece, id);
    if (entry.type == SentencePieceModel::Type::control) {
      special_ids_.insert(id);
      AddedToken token;
      token.id = id;
      token.content = entry.piece;
      token.special = true;
      added_.add(entry.piece, token);
    }
  }
  add_config_tokens(config);
  const auto id_of = [&](const std::string& configured, const std::string& own) -> uint32_t {
    const uint32_t id = configured.empty() ? Vocab::kNone : vocab_.find(configured);
    if (id != Vocab::kNone) {
      return id;
    }
    const uint32_t own_id = vocab_.find(own);
    return own_id != Vocab::kNone && special_ids_.contains(own_id) ? own_id : Vocab::kNone;
  };
  const uint32_t bos = id_of(config.bos_token, model.bos_piece);
  const uint32_t eos = id_of(config.eos_token, model.eos_piece);
  if (bos != Vocab::kNone && config.add_bos_token.value_or(true)) {
    before_.push_back(bos);
  }
  if (eos != Vocab::kNone && config.add_eos_token.value_or(false)) {
    after_.push_back(eos);
  }
  decoder_ = make_sentencepiece_decoder(std::move(model));
}

// As transformers numbers them: what is no piece gets the next free id, whatever its own is in the file.
void SentencePieceTokenizer::add_config_tokens(const TokenizerConfig& config) {
  std::vector<AddedToken> tokens;
  add_tokens(tokens, config.tokens, vocab_);
  for (const AddedToken& token : tokens) {
    if (vocab_.find(token.content) == Vocab::kNone) {
      vocab_.add(token.content, token.id);
    }
    if (token.special) {
      special_ids_.insert(token.id);
    }
    added_.add(token.content, token);
  }
}

std::vector<int64_t> SentencePieceTokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  std::string repaired;
  if (!is_valid_utf8(text)) {
    repaired = replace_invalid_utf8(text);
    text = repaired;
  }
  std::vector<int64_t> ids;
  if (options.add_special_tokens) {
    ids = before_;
  }
  std::vector<AddedTokenMatcher::Part> parts;
  added_.find(text, options.parse_special_tokens, options.plain_at, parts);
  for (const auto& part : parts) {
    if (part.token != nullptr) {
      ids.push_back(part.token->id);
      continue;
    }
    encoder_.encode(text.substr(part.span.begin, part.span.end - part.span.begin),
                    space_before_each_ || part.span.begin == 0, ids);
  }
  if (options.add_special_tokens) {
    ids.insert(ids.end(), after_.begin(), after_.end());
  }
  return ids;
}

std::optional<int64_t> SentencePieceTokenizer::token_to_id(std::string_view token) const {
  const uint32_t id = vocab_.find(token);
  return id == Vocab::kNone ? std::nullopt : std::optional<int64_t>(id);
}

std::string SentencePieceTokenizer::id_to_token(int64_t id) const {
  return id < 0 || id >= vocab_size() ? std::string() : std::string(vocab_.token(static_cast<uint32_t>(id)));
}

std::shared_ptr<const Tokenizer> load_sentencepiece(const std::filesystem::path& path) {
  return std::make_shared<SentencePieceTokenizer>(read_file(path), read_tokenizer_config(path.parent_path()),
                                                  path.string());
}

}  // namespace dstorch::text
