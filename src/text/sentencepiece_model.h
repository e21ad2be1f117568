#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace dstorch::text {

/// A SentencePiece tokenizer.model (github.com/google/sentencepiece, sentencepiece_model.proto).
struct SentencePieceModel {
  enum class Type { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };
  struct Entry {
    std::string piece;
    float score = 0;
    Type type = Type::normal;
  };
  enum class Algorithm { unigram = 1, bpe = 2 };

  Algorithm algorithm = Algorithm::unigram;
  bool byte_fallback = false;
  bool whitespace_as_suffix = false;
  std::string bos_piece = "<s>";
  std::string eos_piece = "</s>";
  std::vector<Entry> pieces;
  std::string unk_surface = " \u2047 ";
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;
  /// The normalization rules: a Darts trie (github.com/s-yata/darts-clone) whose values are offsets of NUL-terminated
  /// texts in `replacements`. Checked: no link of the trie and no value leads outside.
  std::vector<uint32_t> rules;
  std::string replacements;
};

/// `bytes`: the whole file; `where` names it in errors. Throws LMError: format, unsupported.
SentencePieceModel read_sentencepiece_model(std::string_view bytes, std::string_view where);

}  // namespace dstorch::text
