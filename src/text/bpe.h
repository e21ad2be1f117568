#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/merge_list.h"
#include "text/pair_table.h"
#include "text/piece.h"
#include "text/vocab.h"
#include "text/word_cache.h"

namespace dstorch::text {

struct BpeOptions {
  /// Stands for what the vocabulary has no token for; empty: that is left out.
  std::string unk_token;
  /// One `unk_token` for a run of unknown characters, instead of one each.
  bool fuse_unk = false;
  /// An unknown character becomes the tokens "<0x00>" ... "<0xFF>" of its bytes, if the vocabulary has them.
  bool byte_fallback = false;
  /// A piece that is a token as it stands is not built by merges.
  bool ignore_merges = false;
  /// Written before every character of a piece but the first, e.g. "##".
  std::string continuing_subword_prefix;
  /// Written after the last character of a piece, e.g. "</w>".
  std::string end_of_word_suffix;
};

/// Byte-pair encoding (Sennrich, Haddow, Birch 2016) as Hugging Face `tokenizers` does it: within a piece, the pair of
/// neighbours with the lowest rank is merged, the leftmost of equals first, until there is none. Immutable.
class BpeModel {
 public:
  /// `merges` by rank. Throws LMError{format} when a merge or the unknown token is not in the vocabulary.
  BpeModel(Vocab vocab, const MergeList& merges, BpeOptions options);

  /// What one thread needs while it encodes; reuse it, its cache makes encoding fast.
  struct Scratch {
    WordCache cache;
    std::vector<uint32_t> symbols;
    std::vector<uint64_t> pairs;
    std::string text;
  };

  /// Appends the ids of `piece`.
  void encode(const Piece& piece, Scratch& scratch, std::vector<int64_t>& out) const;

  [[nodiscard]] const Vocab& vocab() const noexcept { return vocab_; }
  [[nodiscard]] const BpeOptions& options() const noexcept { return options_; }

 private:
  void encode_word(std::string_view word, bool byte_level, Scratch& scratch, std::vector<int64_t>& out) const;
  void encode_uncached(std::string_view word, bool byte_level, Scratch& scratch) const;
  bool symbols_of_bytes(std::string_view bytes, std::vector<uint32_t>& symbols) const;
  void symbols_of_text(std::string_view text, std::vector<uint32_t>& symbols) const;
  bool byte_tokens(std::string_view bytes, std::vector<uint32_t>& symbols) const;
  void merge(Scratch& scratch) const;
  void merge_short(Scratch& scratch) const;
  void merge_long(Scratch& scratch) const;
  [[nodiscard]] bool words_are_separable() const;

  Vocab vocab_;
  BpeOptions options_;
  PairTable merges_;
  uint32_t unk_id_ = Vocab::kNone;
  // The tokens of single bytes in the byte-level alphabet, of ASCII characters, and "<0x00>" ... "<0xFF>".
  uint32_t byte_level_ids_[256];
  uint32_t ascii_ids_[128];
  uint32_t fallback_ids_[256];
  bool separable_ = false;
};

}  // namespace dstorch::text
