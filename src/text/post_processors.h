#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/json.h"

namespace dstorch::text {

/// Puts special tokens around the ids of a text. Immutable.
class PostProcessor {
 public:
  /// From the "post_processor" of a tokenizer.json; null changes nothing. Throws LMError: format, unsupported.
  static PostProcessor from_json(const Json& json);
  /// Puts `before` before a text and `after` after it.
  static PostProcessor around(std::vector<int64_t> before, std::vector<int64_t> after);

  /// Throws LMError{format} when it would put in an id outside [0, vocab_size).
  void require_ids_below(int64_t vocab_size) const;

  /// The ids of a text as the model gets them.
  void apply(std::vector<int64_t>& ids, bool add_special_tokens) const;

 private:
  // An id, or nothing where the text goes.
  using Template = std::vector<std::optional<int64_t>>;

  void add(const Json& json);
  void add_template(const Json& json);
  void add_bert(const Json& json);

  std::vector<Template> templates_;
  // How often the text comes in the result.
  std::size_t copies_ = 1;
};

}  // namespace dstorch::text
