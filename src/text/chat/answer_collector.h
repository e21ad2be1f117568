#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "dstorch/chat.h"

namespace dstorch::text {

/// Makes the assistant's message of an answer that comes in pieces. One thread at a time.
class AnswerCollector {
 public:
  /// `call_ids`: from what the ids are made of calls to which the model gives none; 0 leaves them without. Another
  /// number, other ids.
  explicit AnswerCollector(AnswerFormat format, uint64_t call_ids = 0);

  /// The parts that `text` completes, which are in the message from now on.
  std::vector<AnswerPiece> push(std::string_view text);
  /// The last parts.
  std::vector<AnswerPiece> finish();
  /// White space at the end of its text and its reasoning is cut.
  [[nodiscard]] Message message() const;

 private:
  std::vector<AnswerPiece> keep(std::vector<AnswerPiece> pieces);

  AnswerParser parser_;
  uint64_t call_ids_;
  Message message_;
};

}  // namespace dstorch::text
