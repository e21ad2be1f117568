#include "text/chat/answer_collector.h"

#include <utility>

#include "text/hash.h"

namespace dstorch {
namespace text {
namespace {

/// Nine letters and digits, which is what the strictest templates take.
std::string make_id(uint64_t number) {
  constexpr std::string_view kLetters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  std::string id(9, '0');
  for (char& c : id) {
    c = kLetters[number % kLetters.size()];
    number /= kLetters.size();
  }
  return id;
}

}  // namespace

AnswerCollector::AnswerCollector(AnswerFormat format, uint64_t call_ids)
    : parser_(std::move(format)), call_ids_(call_ids) {
  message_.role = "assistant";
}

std::vector<AnswerPiece> AnswerCollector::push(std::string_view text) { return keep(parser_.push(text)); }

std::vector<AnswerPiece> AnswerCollector::finish() { return keep(parser_.finish()); }

std::vector<AnswerPiece> AnswerCollector::keep(std::vector<AnswerPiece> pieces) {
  for (AnswerPiece& piece : pieces) {
    if (piece.kind != AnswerPiece::Kind::tool_call) {
      (piece.kind == AnswerPiece::Kind::text ? message_.content : message_.reasoning) += piece.text;
      continue;
    }
    if (piece.call.id.empty() && call_ids_ != 0) {
      piece.call.id = make_id(mix_bits(call_ids_ + message_.tool_calls.size()));
    }
    message_.tool_calls.push_back(piece.call);
  }
  return pieces;
}

Message AnswerCollector::message() const {
  Message message = message_;
  for (std::string* part : {&message.content, &message.reasoning}) {
    const std::size_t last = part->find_last_not_of(" \t\r\n");
    part->erase(last == std::string::npos ? 0 : last + 1);
  }
  return message;
}

}  // namespace text

Message parse_answer(std::string_view text, const AnswerFormat& format) {
  text::AnswerCollector collector(format);
  collector.push(text);
  collector.finish();
  return collector.message();
}

}  // namespace dstorch
