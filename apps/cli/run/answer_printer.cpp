#include "answer_printer.h"

#include <cstdio>
#include <string>
#include <string_view>

#include "conversation.h"
#include "dstorch/error.h"
#include "output.h"

namespace dstorch::cli {
namespace {

void print_aside(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

}  // namespace

bool AnswerPrinter::operator()(const AnswerPiece& piece) {
  try {
    line_.clear();
    show(piece);
    return true;
  } catch (const LMError&) {
    error_ = std::current_exception();
    return false;
  }
}

void AnswerPrinter::show(const AnswerPiece& piece) {
  using Kind = AnswerPiece::Kind;
  if (piece.kind == Kind::reasoning) {
    if (speaks_) {
      print("\n");
      flush_output();
      speaks_ = false;
    }
    print_aside(dim(piece.text));
    reasons_ = true;
    return;
  }
  end_reasoning();
  if (piece.kind == Kind::text) {
    print(std::string_view(piece.text));
    speaks_ = true;
  } else {
    print(std::string_view((speaks_ ? "\n" : "") + shown_call(piece.call) + "\n"));
    speaks_ = false;
  }
  flush_output();
}

void AnswerPrinter::end_reasoning() {
  if (reasons_) {
    print_aside("\n");
    reasons_ = false;
  }
}

void AnswerPrinter::finish() {
  if (error_) {
    std::rethrow_exception(error_);
  }
  end_reasoning();
  if (speaks_) {
    print("\n");
  }
  flush_output();
}

}  // namespace dstorch::cli
