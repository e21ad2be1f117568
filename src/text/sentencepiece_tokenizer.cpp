#include "text/sentencepiece_tokenizer.h"

#include <sentencepiece_processor.h>

#include <algorithm>
#include <utility>

#include "core/mapped_file.h"
#include "core/throw.h"
#include "text/decode_stages.h"
#include "text/load.h"
#include "text/sentencepiece_decoder.h"

namespace dstorch::text {

SentencePieceTokenizer::SentencePieceTokenizer(std::string_view bytes, const TokenizerConfig& config,
                                               std::string_view where)
    : processor_(std::make_unique<sentencepiece::SentencePieceProcessor>()) {
  SentencePieceModel model = read_sentencepiece_model(bytes, where);
  const auto status = processor_->LoadFromSerializedProto({bytes.data(), bytes.size()});
  require(status.ok(), ErrorKind::format, "{} must be a SentencePiece model: {}", where, status.ToString());
  require(processor_->GetPieceSize() == static_cast<int>(model.pieces.size()), ErrorKind::format,
          "{}: the library finds {} pieces where {} are", where, processor_->GetPieceSize(), model.pieces.size());
  for (std::size_t i = 0; i < model.pieces.size(); ++i) {
    const auto& [piece, type] = model.pieces[i];
    const auto id = static_cast<int64_t>(i);
    vocab_.add(piece, id);
    if (type == SentencePieceModel::Type::control) {
      special_ids_.insert(id);
      AddedToken token;
      token.id = id;
      token.content = piece;
      token.special = true;
      added_.add(piece, token);
    }
  }
  add_config_tokens(config);
  const auto id_of = [&](const std::string& named, int fallback) -> int64_t {
    const uint32_t id = named.empty() ? Vocab::kNone : vocab_.find(named);
    return id == Vocab::kNone ? fallback : id;
  };
  const int64_t bos = id_of(config.bos_token, processor_->bos_id());
  const int64_t eos = id_of(config.eos_token, processor_->eos_id());
  if (bos >= 0 && config.add_bos_token.value_or(true)) {
    before_.push_back(bos);
  }
  if (eos >= 0 && config.add_eos_token.value_or(false)) {
    after_.push_back(eos);
  }
  decoder_ = make_sentencepiece_decoder(std::move(model));
}

SentencePieceTokenizer::~SentencePieceTokenizer() = default;

void SentencePieceTokenizer::add_config_tokens(const TokenizerConfig& config) {
  for (AddedToken token : config.tokens) {
    const uint32_t known = vocab_.find(token.content);
    if (known != Vocab::kNone) {
      token.id = known;
    } else if (token.id < 0) {
      continue;  // named, but nowhere given an id
    } else {
      vocab_.add(token.content, token.id);
    }
    // The unknown piece marks what has no token: text that spells it means something else.
    if (token.id == processor_->unk_id()) {
      continue;
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
  added_.find(text, options.parse_special_tokens, parts);
  std::vector<int> section_ids;
  for (const auto& part : parts) {
    if (part.token != nullptr) {
      ids.push_back(part.token->id);
      continue;
    }
    const auto section = text.substr(part.span.begin, part.span.end - part.span.begin);
    const auto status = processor_->Encode({section.data(), section.size()}, &section_ids);
    require(status.ok(), ErrorKind::internal, "SentencePiece cannot encode {} bytes: {}", section.size(),
            status.ToString());
    ids.insert(ids.end(), section_ids.begin(), section_ids.end());
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
  const auto file = MappedFile::open(path);
  const auto bytes = file->bytes();
  return std::make_shared<SentencePieceTokenizer>(
      std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()),
      read_tokenizer_config(path.parent_path()), path.string());
}

}  // namespace dstorch::text
