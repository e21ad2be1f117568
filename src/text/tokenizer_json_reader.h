#pragma once

#include <string_view>

#include "core/json.h"
#include "text/merge_list.h"
#include "text/vocab.h"

namespace dstorch::text {

/// A tokenizer.json: its two large parts, "model.vocab" and "model.merges", go straight into tables, which is several
/// times faster than a tree of JSON values; the rest is a tree.
struct TokenizerJson {
  /// Without "model.vocab" and "model.merges", where these have the form BPE gives them.
  Json rest;
  Vocab vocab;
  MergeList merges;
  bool has_vocab = false;
  bool has_merges = false;
};

/// `where` names the source in errors. Throws LMError{format}.
TokenizerJson read_tokenizer_json(std::string_view text, std::string_view where);

}  // namespace dstorch::text
