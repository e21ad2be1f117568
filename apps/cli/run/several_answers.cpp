#include "several_answers.h"

#include <nlohmann/json.hpp>

#include "answer_printer.h"
#include "commands.h"
#include "output.h"
#include "report.h"

namespace dstorch::cli {
namespace {

void print_text(const GenerationResult& answer, StatusLine& /*line*/) { print("{}\n", answer.text); }

void print_text(const ChatResult& answer, StatusLine& line) {
  AnswerPrinter printer(line);
  const auto& message = answer.message;
  if (!message.reasoning.empty()) {
    printer({.kind = AnswerPiece::Kind::reasoning, .text = message.reasoning});
  }
  if (!message.content.empty()) {
    printer({.kind = AnswerPiece::Kind::text, .text = message.content});
  }
  for (const auto& call : message.tool_calls) {
    printer({.kind = AnswerPiece::Kind::tool_call, .call = call});
  }
  printer.finish();
}

const GenerationResult& generation_of(const GenerationResult& answer) { return answer; }
const GenerationResult& generation_of(const ChatResult& answer) { return answer.generation; }

template <typename Answer>
void print_all(std::span<const Answer> answers, bool json, StatusLine& line) {
  line.clear();
  for (const auto& answer : answers) {
    if (generation_of(answer).finish_reason == FinishReason::cancelled) {
      throw Interrupted();
    }
  }
  if (json) {
    auto list = nlohmann::ordered_json::array();
    for (const auto& answer : answers) {
      list.push_back(to_json(answer));
    }
    print_json({{"answers", std::move(list)}});
    return;
  }
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (i > 0) {
      print("---\n");
    }
    print_text(answers[i], line);
  }
  flush_output();
}

}  // namespace

void print_answers(std::span<const GenerationResult> answers, bool json, StatusLine& line) {
  print_all(answers, json, line);
}

void print_answers(std::span<const ChatResult> answers, bool json, StatusLine& line) { print_all(answers, json, line); }

}  // namespace dstorch::cli
