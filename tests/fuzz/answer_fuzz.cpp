// Any bytes as a model's answer in each format: taken apart at once and in pieces the same, and nothing but an LMError
// for what is no JSON of messages or tools.
#include <cstdint>
#include <string>
#include <string_view>

#include "dstorch/chat.h"
#include "dstorch/error.h"

namespace {

std::string joined(const dstorch::AnswerFormat& format, std::string_view answer, std::size_t size) {
  dstorch::AnswerParser parser(format);
  std::string all;
  const auto take = [&](const std::vector<dstorch::AnswerPiece>& pieces) {
    for (const auto& piece : pieces) {
      all += piece.kind == dstorch::AnswerPiece::Kind::tool_call
                 ? "\n!" + piece.call.name + piece.call.arguments + piece.call.id
                 : piece.text;
    }
  };
  for (std::size_t at = 0; at < answer.size(); at += size) {
    take(parser.push(answer.substr(at, size)));
  }
  take(parser.finish());
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  using dstorch::ToolCallFormat;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto kind : {ToolCallFormat::none, ToolCallFormat::hermes, ToolCallFormat::llama3, ToolCallFormat::mistral,
                          ToolCallFormat::json}) {
    dstorch::AnswerFormat format;
    format.tool_calls = kind;
    format.begins_reasoning = size % 2 == 1;
    format.dropped = {"<|eot_id|>"};
    if (joined(format, text, size + 1) != joined(format, text, 1)) {
      __builtin_trap();
    }
  }
  try {
    const auto messages = dstorch::parse_messages(text);
    if (dstorch::to_json(dstorch::parse_messages(dstorch::to_json(messages))) != dstorch::to_json(messages)) {
      __builtin_trap();
    }
  } catch (const dstorch::LMError&) {
  }
  try {
    dstorch::parse_tools(text);
  } catch (const dstorch::LMError&) {
  }
  return 0;
}
