#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/byte_trie.h"
#include "text/sentencepiece_model.h"
#include "text/vocab.h"

namespace dstorch::text {

/// Text to ids as SentencePiece does it: its normalizer, then BPE by scores or the most likely segmentation under a
/// unigram model (Kudo 2018), the same to the last tie. Immutable, hence thread-safe.
///
/// Not libsentencepiece: Debian's brings a protobuf of its own along that breaks when LibTorch's is in the same
/// process, and trusts the files it loads.
class SentencePieceEncoder {
 public:
  explicit SentencePieceEncoder(const SentencePieceModel& model);

  /// Appends the ids of `text`, valid UTF-8. `prefix`: with the space that the model puts at a text's end, if it does.
  void encode(std::string_view text, bool prefix, std::vector<int64_t>& out) const;
  [[nodiscard]] uint32_t unk_id() const noexcept { return unk_id_; }

 private:
  using Type = SentencePieceModel::Type;
  struct Segment {
    std::string_view text;
    uint32_t id;
  };

  [[nodiscard]] std::string normalize(std::string_view text, bool prefix) const;
  // What the text's first character or characters become, and how many bytes they are.
  std::string_view normalized_prefix(std::string_view text, std::size_t& consumed) const;
  void segment_bpe(std::string_view text, std::vector<Segment>& out) const;
  void segment_unigram(std::string_view text, std::vector<Segment>& out) const;
  [[nodiscard]] uint32_t id_of(std::string_view piece) const;

  SentencePieceModel::Algorithm algorithm_;
  bool byte_fallback_;
  bool whitespace_as_suffix_;
  bool add_dummy_prefix_;
  bool remove_extra_whitespaces_;
  bool escape_whitespaces_;
  std::vector<uint32_t> rules_;
  std::string replacements_;

  Vocab pieces_;  // those that text can become: neither control, nor unknown, nor byte
  std::vector<float> scores_;
  std::vector<Type> types_;
  ByteTrie trie_;          // of pieces_, for unigram
  ByteTrie user_defined_;  // never split, never merged
  uint32_t byte_ids_[256];
  uint32_t unk_id_ = 0;
  float unk_score_ = 0;
};

}  // namespace dstorch::text
