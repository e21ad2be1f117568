#pragma once

#include <exception>

#include "dstorch/conversation.h"
#include "terminal.h"

namespace dstorch::cli {

/// Prints an answer as it comes: what is said and the calls of tools on standard output, reasoning on standard error,
/// faint on a terminal. What cannot be printed ends the answer; `finish` says why.
class AnswerPrinter {
 public:
  explicit AnswerPrinter(StatusLine& line) : line_(line) {}

  /// False when it cannot be printed.
  bool operator()(const AnswerPiece& piece);
  /// Ends the last line. Throws LMError{io}.
  void finish();

 private:
  void show(const AnswerPiece& piece);
  void end_reasoning();

  StatusLine& line_;
  std::exception_ptr error_;
  bool reasons_ = false;  // the last that was shown is reasoning, its line not ended
  bool speaks_ = false;   // the same of what is said
};

}  // namespace dstorch::cli
