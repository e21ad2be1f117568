#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace dstorch::text {

/// What dstorch itself reads of a SentencePiece tokenizer.model (github.com/google/sentencepiece,
/// sentencepiece_model.proto). libsentencepiece trusts what it loads; `read_sentencepiece_model` refuses what it would
/// crash on.
struct SentencePieceModel {
  enum class Type { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };
  struct Entry {
    std::string piece;
    Type type = Type::normal;
  };
  std::vector<Entry> pieces;
  std::string unk_surface = " \u2047 ";
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
};

/// `bytes`: the whole file; `where` names it in errors. Throws LMError: format, unsupported.
SentencePieceModel read_sentencepiece_model(std::string_view bytes, std::string_view where);

}  // namespace dstorch::text
