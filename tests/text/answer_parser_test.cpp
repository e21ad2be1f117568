// Answers taken apart, whole and in pieces of every size.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dstorch/chat.h"

namespace dstorch {
namespace {

// "text:...", "reasoning:..." and "call:name(arguments)#id", with pieces of one kind joined.
std::vector<std::string> parts(std::vector<AnswerPiece> pieces) {
  std::vector<std::string> out;
  std::string last;
  for (const AnswerPiece& piece : pieces) {
    if (piece.kind == AnswerPiece::Kind::tool_call) {
      out.push_back("call:" + piece.call.name + "(" + piece.call.arguments + ")" +
                    (piece.call.id.empty() ? "" : "#" + piece.call.id));
      last.clear();
      continue;
    }
    const std::string kind = piece.kind == AnswerPiece::Kind::text ? "text:" : "reasoning:";
    if (kind == last) {
      out.back() += piece.text;
    } else {
      out.push_back(kind + piece.text);
    }
    last = kind;
  }
  return out;
}

void expect_parts(const AnswerFormat& format, const std::string& answer, const std::vector<std::string>& expected) {
  for (std::size_t size = 1; size <= answer.size();
       size = size < 8 ? size + 1 : answer.size() + (size == answer.size() ? 1 : 0)) {
    AnswerParser parser(format);
    // A second answer through the same parser is as the first.
    for (int round = 0; round < 2; ++round) {
      std::vector<AnswerPiece> pieces;
      const auto take = [&](std::vector<AnswerPiece> more) {
        pieces.insert(pieces.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
      };
      for (std::size_t at = 0; at < answer.size(); at += size) {
        take(parser.push(std::string_view(answer).substr(at, size)));
      }
      take(parser.finish());
      EXPECT_EQ(parts(std::move(pieces)), expected) << answer << " by " << size;
    }
  }
}

AnswerFormat format_of(ToolCallFormat tool_calls) {
  AnswerFormat format;
  format.tool_calls = tool_calls;
  return format;
}

TEST(AnswerParser, TakesHermesCallsOut) {
  const AnswerFormat hermes = format_of(ToolCallFormat::hermes);
  expect_parts(hermes, "Hello, <tool> world <", {"text:Hello, <tool> world <"});
  expect_parts(hermes,
               "Look.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"b\": [1, \"}\"], \"a\": null}}\n</tool_call>",
               {"text:Look.\n", "call:f({\"b\":[1,\"}\"],\"a\":null})"});
  expect_parts(
      hermes,
      "<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>\n<tool_call>{\"name\": \"g\", \"parameters\": "
      "{\"x\": 1.5}}</tool_call>\nDone.",
      {"call:f({})", "call:g({\"x\":1.5})", "text:Done."});
  // The end of the answer ends a call too.
  expect_parts(hermes, "<tool_call>{\"name\": \"f\", \"arguments\": \"{\\\"a\\\": 1}\"}", {"call:f({\"a\":1})"});
}

TEST(AnswerParser, WhatIsNoCallStaysText) {
  const AnswerFormat hermes = format_of(ToolCallFormat::hermes);
  for (const std::string& bad : std::vector<std::string>{
           "<tool_call>{\"name\": }</tool_call>", "<tool_call>{\"arguments\": {}}</tool_call>",
           "<tool_call></tool_call>", "<tool_call>{\"name\": \"f\"}</tool_call>",
           "<tool_call>{\"name\": \"f\", \"arguments\": [1]}</tool_call>",
           "<tool_call>{\"name\": \"f\", \"arguments\": {}} and more</tool_call>", "<tool_call>{\"name\": \"f\"",
           "<tool_call>{\"name\": 5, \"arguments\": {}}</tool_call>"}) {
    expect_parts(hermes, bad + " x", {"text:" + bad + " x"});
  }
  expect_parts(format_of(ToolCallFormat::none), "<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>",
               {"text:<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>"});
}

TEST(AnswerParser, KeepsReasoningApart) {
  AnswerFormat format;
  expect_parts(format, "<think>\nAdd <b> </th\n</think>\n\n2 < 3", {"reasoning:Add <b> </th\n", "text:2 < 3"});
  expect_parts(format, "a<think>b</think>c<think>d</think>", {"text:a", "reasoning:b", "text:c", "reasoning:d"});
  expect_parts(format, "<think>\n\n</think>\n\nHi", {"text:Hi"});
  expect_parts(format, "<think>never ends", {"reasoning:never ends"});
  // A call inside reasoning is only thought of.
  expect_parts(format, "<think><tool_call>{}</tool_call></think>x", {"reasoning:<tool_call>{}</tool_call>", "text:x"});
  format.begins_reasoning = true;
  expect_parts(format, "\nhm\n</think>\nHi", {"reasoning:hm\n", "text:Hi"});
  format.reasoning_begin = "[THINK]";
  format.reasoning_end = "[/THINK]";
  expect_parts(format, "hm[/THINK]Hi <think>", {"reasoning:hm", "text:Hi <think>"});
}

TEST(AnswerParser, TakesLlamaCallsOut) {
  const AnswerFormat llama = format_of(ToolCallFormat::llama3);
  expect_parts(llama, "{\"name\": \"f\", \"parameters\": {\"a\": \"é\"}}", {"call:f({\"a\":\"é\"})"});
  expect_parts(llama, " \n{\"name\": \"f\", \"parameters\": {}}; {\"name\": \"g\", \"parameters\": {}}",
               {"call:f({})", "call:g({})"});
  expect_parts(llama, "<|python_tag|>{\"type\": \"function\", \"name\": \"f\", \"parameters\": {}}", {"call:f({})"});
  expect_parts(llama, "<|python_tag|>print(1)", {"text:<|python_tag|>print(1)"});
  expect_parts(llama, "{\"a\": 1} is JSON", {"text:{\"a\": 1} is JSON"});
  expect_parts(llama, "So: {\"name\": \"f\", \"parameters\": {}}", {"text:So: {\"name\": \"f\", \"parameters\": {}}"});
}

TEST(AnswerParser, TakesMistralCallsOut) {
  const AnswerFormat mistral = format_of(ToolCallFormat::mistral);
  expect_parts(mistral,
               "[TOOL_CALLS][{\"name\": \"f\", \"arguments\": {\"a\": 1}, \"id\": \"123456789\"}, {\"name\": \"g\", "
               "\"arguments\": {}}]",
               {"call:f({\"a\":1})#123456789", "call:g({})"});
  expect_parts(mistral, "Hm [TOOL_CALLS]f[ARGS]{\"a\": 1}[TOOL_CALLS]g[CALL_ID]abc[ARGS]{}",
               {"text:Hm ", "call:f({\"a\":1})", "call:g({})#abc"});
  expect_parts(mistral, "[TOOL_CALLS]f{\"a\": 1}", {"call:f({\"a\":1})"});
  expect_parts(mistral, "[TOOL_CALLS]two words{}", {"text:[TOOL_CALLS]two words{}"});
  expect_parts(mistral, "[TOOL", {"text:[TOOL"});
}

TEST(AnswerParser, TakesPlainJsonCallsOut) {
  const AnswerFormat json = format_of(ToolCallFormat::json);
  expect_parts(json, "[{\"name\": \"f\", \"arguments\": {}}, {\"function\": {\"name\": \"g\", \"arguments\": {}}}]",
               {"call:f({})", "call:g({})"});
  expect_parts(json, "{\"tool_calls\": [{\"name\": \"f\", \"arguments\": {}}]}", {"call:f({})"});
  expect_parts(json, "<think>x</think>{\"name\": \"f\", \"arguments\": {}}", {"reasoning:x", "call:f({})"});
  // An answer that happens to be JSON.
  expect_parts(json, "[1, 2]", {"text:[1, 2]"});
  expect_parts(json, "{\"name\": \"Ann\"}", {"text:{\"name\": \"Ann\"}"});
  expect_parts(json, "[]", {"text:[]"});
  // White space before an answer is layout, whatever the answer turns out to be.
  expect_parts(json, " [", {"text:["});
  expect_parts(json, "\n {} ", {"text:{} "});
}

TEST(AnswerParser, DropsSpecialTokens) {
  AnswerFormat format;
  format.dropped = {"<|eot|>", "<|end|>"};
  expect_parts(format, "a<|eot|>b<|en<|end|>", {"text:ab<|en"});
  expect_parts(format, "<tool_call>{\"name\": \"f\", \"arguments\": {}}<|end|>", {"call:f({})"});
}

TEST(AnswerParser, WhatIsKnownComesAtOnce) {
  AnswerParser parser;
  EXPECT_EQ(parts(parser.push("Hello")), std::vector<std::string>{"text:Hello"});
  EXPECT_EQ(parts(parser.push(" wor<tool")), std::vector<std::string>{"text: wor"});
  EXPECT_EQ(parts(parser.push("s>!")), std::vector<std::string>{"text:<tools>!"});
  EXPECT_TRUE(parser.push("<think>").empty());
  EXPECT_EQ(parts(parser.push("a")), std::vector<std::string>{"reasoning:a"});
  const std::vector<std::string> both = {"reasoning:b", "text:c"};
  EXPECT_EQ(parts(parser.push("b</think>c")), both);
}

TEST(ParseAnswer, MakesOneMessage) {
  const Message message = parse_answer(
      "<think>\nhm\n</think>\n\nLook: \n<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": 1}}</tool_call>\n");
  EXPECT_EQ(message.role, "assistant");
  EXPECT_EQ(message.reasoning, "hm");
  EXPECT_EQ(message.content, "Look:");
  ASSERT_EQ(message.tool_calls.size(), 1U);
  EXPECT_EQ(message.tool_calls[0].name, "f");
}

TEST(DetectAnswerFormat, LooksAtTheTemplate) {
  EXPECT_EQ(detect_tool_calls("x <tool_call> y"), ToolCallFormat::hermes);
  EXPECT_EQ(detect_tool_calls("[TOOL_CALLS]"), ToolCallFormat::mistral);
  EXPECT_EQ(detect_tool_calls("<|python_tag|>"), ToolCallFormat::llama3);
  EXPECT_EQ(detect_tool_calls("{% if tools %}"), ToolCallFormat::json);
  EXPECT_EQ(detect_tool_calls("{{ messages }}"), ToolCallFormat::none);
  const AnswerFormat thinking = detect_answer_format("a </think> b", "<|im_start|>assistant\n<think>\n");
  EXPECT_EQ(thinking.reasoning_begin, "<think>");
  EXPECT_TRUE(thinking.begins_reasoning);
  EXPECT_FALSE(detect_answer_format("a </think> b", "<think>\n\n</think>\n").begins_reasoning);
  const AnswerFormat plain = detect_answer_format("tools", "x<think>");
  EXPECT_EQ(plain.reasoning_begin, "");
  EXPECT_FALSE(plain.begins_reasoning);
  expect_parts(plain, "<think>x", {"text:<think>x"});
}

}  // namespace
}  // namespace dstorch
