#pragma once

#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "text/added_tokens.h"
#include "text/sentencepiece_encoder.h"
#include "text/sentencepiece_model.h"
#include "text/streaming_tokenizer.h"
#include "text/tokenizer_config.h"
#include "text/vocab.h"

namespace dstorch::text {

/// A SentencePiece model (Kudo, Richardson 2018). Its control pieces and the tokens added
/// beside it are found in the text first, as Hugging Face's Llama tokenizer does.
class SentencePieceTokenizer final : public StreamingTokenizer {
 public:
  /// `bytes`: a tokenizer.model; `where` names it in errors. Throws LMError: format, unsupported.
  SentencePieceTokenizer(std::string_view bytes, const TokenizerConfig& config, std::string_view where);

  [[nodiscard]] std::vector<int64_t> encode(std::string_view text, const EncodeOptions& options) const override;
  [[nodiscard]] int64_t vocab_size() const override { return static_cast<int64_t>(vocab_.id_limit()); }
  [[nodiscard]] std::optional<int64_t> token_to_id(std::string_view token) const override;
  [[nodiscard]] std::string id_to_token(int64_t id) const override;
  [[nodiscard]] bool is_special(int64_t id) const override { return special_ids_.contains(id); }
  [[nodiscard]] const Decoder& decoder() const override { return *decoder_; }

 private:
  SentencePieceTokenizer(SentencePieceModel model, const TokenizerConfig& config);
  void add_config_tokens(const TokenizerConfig& config);

  SentencePieceEncoder encoder_;
  bool space_before_each_;  // text between special tokens, not the first alone
  Vocab vocab_;
  AddedTokenMatcher added_;
  std::unordered_set<int64_t> special_ids_;
  std::vector<int64_t> before_;
  std::vector<int64_t> after_;
  std::unique_ptr<const Decoder> decoder_;
};

}  // namespace dstorch::text
