#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "text/added_tokens.h"
#include "text/bpe.h"
#include "text/decoders.h"
#include "text/normalizers.h"
#include "text/post_processors.h"
#include "text/pre_tokenizers.h"
#include "text/streaming_tokenizer.h"

namespace dstorch::text {

/// The parts of a tokenizer.json.
struct TokenizerParts {
  std::unique_ptr<const BpeModel> model;
  std::unique_ptr<const Normalizer> normalizer;  ///< may be null
  std::unique_ptr<const PreTokenizer> pre_tokenizer;
  PostProcessor post_processor;
  std::unique_ptr<const Decoder> decoder;
  std::vector<AddedToken> added_tokens;
};

/// Text, added tokens taken out, normalized, cut into pieces, merged, wrapped in special tokens: Hugging Face's order.
class JsonTokenizer final : public StreamingTokenizer {
 public:
  explicit JsonTokenizer(TokenizerParts parts);

  [[nodiscard]] std::vector<int64_t> encode(std::string_view text, const EncodeOptions& options) const override;
  [[nodiscard]] int64_t vocab_size() const override;
  [[nodiscard]] std::optional<int64_t> token_to_id(std::string_view token) const override;
  [[nodiscard]] std::string id_to_token(int64_t id) const override;
  [[nodiscard]] bool is_special(int64_t id) const override;
  [[nodiscard]] const Decoder& decoder() const override { return *parts_.decoder; }

 private:
  // What one call of encode() needs; kept for the next one because of its cache.
  struct Scratch {
    BpeModel::Scratch model;
    Arena arena;
    std::vector<AddedTokenMatcher::Part> parts;
    std::vector<AddedTokenMatcher::Part> normalized_parts;
  };
  class Loan;

  void encode_section(const Piece& section, bool parse_special, Scratch& scratch, std::vector<int64_t>& ids) const;

  TokenizerParts parts_;
  AddedTokenMatcher raw_tokens_;
  AddedTokenMatcher normalized_tokens_;
  Vocab added_;
  std::unordered_set<int64_t> special_ids_;
  // Of added tokens that the normalizer changes; Hugging Face decodes these as they were found.
  std::unordered_map<int64_t, std::string> spellings_;

  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<Scratch>> idle_;
};

}  // namespace dstorch::text
