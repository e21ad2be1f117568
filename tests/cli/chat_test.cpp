// `dstorch generate --chat` and its kin, and `dstorch chat` through a pipe, with the toy of examples/trees.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>

#include "cli/command.h"

namespace dstorch::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::StartsWith;

const std::string kPine = "A pine is a conifer with long needles.";

class ChatCommand : public testing::Test {
 protected:
  ChatCommand() : directory_(fs::temp_directory_path() / ("dstorch_chat_command_" + std::to_string(getpid()))) {
    fs::create_directories(directory_);
    write("tools.json",
          R"([{"type": "function", "function": {"name": "tree_height", "description": "How tall a tree is, in metres",
              "parameters": {"type": "object", "properties": {"tree": {"type": "string"}}, "required": ["tree"]}}}])");
  }
  ~ChatCommand() override { fs::remove_all(directory_); }

  void write(const std::string& name, const std::string& text) const { std::ofstream(directory_ / name) << text; }
  [[nodiscard]] std::string at(const std::string& name) const { return (directory_ / name).string(); }
  static std::string trees() { return (source_dir() / "examples/trees").string(); }
  static ProcessResult generate(std::vector<std::string> words, const std::string& input = {}) {
    words.insert(words.begin(), {"generate", "-m", trees()});
    return dstorch(words, {.input = input});
  }
  static ProcessResult chat(const std::string& input, std::vector<std::string> words = {}) {
    words.insert(words.begin(), {"chat", "-m", trees()});
    return dstorch(words, {.input = input});
  }

  fs::path directory_;
};

TEST_F(ChatCommand, GenerateAnswersWhatAUserSays) {
  const auto said = generate({"--chat", "What is a pine?"});
  EXPECT_EQ(said.out, kPine + "\n");
  EXPECT_EQ(said.err, "");
  EXPECT_EQ(said.exit_code, 0);
  EXPECT_EQ(generate({"--chat"}, "What is a pine?").out, kPine + "\n");
  EXPECT_EQ(generate({"--chat", "What is an oak?", "--system", "Answer in one word."}).out, "Tree.\n");
  EXPECT_EQ(generate({"--chat", "How tall is the oak?", "--tools", at("tools.json")}).out,
            "tree_height({\"tree\":\"oak\"})\n");
  // What is thought is no part of the text.
  const auto thinks = generate({"--chat", "Which is taller, an oak or a fir?"});
  EXPECT_EQ(thinks.out, "The fir.\n");
  EXPECT_EQ(thinks.err, "An oak grows to 35 m, a fir to 60 m.\n\n");
  const auto silent =
      generate({"--chat", "Which is taller, an oak or a fir?", "--variables", R"({"enable_thinking": false})"});
  EXPECT_EQ(silent.out, "The fir.\n");
  EXPECT_EQ(silent.err, "");
}

TEST_F(ChatCommand, GenerateAnswersAConversation) {
  write("messages.json", R"([{"role": "user", "content": "How tall is the oak?"},
      {"role": "assistant", "tool_calls": [{"function": {"name": "tree_height", "arguments": {"tree": "oak"}}}]},
      {"role": "tool", "content": "27"}])");
  EXPECT_EQ(generate({"--messages", at("messages.json"), "--tools", at("tools.json")}).out,
            "The oak is 27 metres tall.\n");
  EXPECT_EQ(generate({"--messages", "-"}, R"({"messages": [{"role": "user", "content": "What is a pine?"}]})").out,
            kPine + "\n");
}

TEST_F(ChatCommand, JsonCarriesThePartsOfTheAnswer) {
  const auto json = [&](std::vector<std::string> words) {
    words.emplace_back("--json");
    const auto result = generate(words);
    EXPECT_EQ(result.err, "");
    return nlohmann::json::parse(result.out);
  };
  const auto thinks = json({"--chat", "Which is taller, an oak or a fir?"});
  EXPECT_EQ(thinks["content"], "The fir.");
  EXPECT_EQ(thinks["reasoning"], "An oak grows to 35 m, a fir to 60 m.");
  EXPECT_EQ(thinks["tool_calls"], nlohmann::json::array());
  EXPECT_EQ(thinks["text"], "<think>\nAn oak grows to 35 m, a fir to 60 m.\n</think>\n\nThe fir.");
  EXPECT_EQ(thinks["finish_reason"], "stop");
  EXPECT_EQ(thinks["tokens"].size(), thinks["usage"]["completion_tokens"]);
  const auto calls = json({"--chat", "How tall is the oak?", "--tools", at("tools.json")});
  EXPECT_EQ(calls["content"], "");
  EXPECT_EQ(calls["reasoning"], "");
  ASSERT_EQ(calls["tool_calls"].size(), 1U);
  EXPECT_EQ(calls["tool_calls"][0]["type"], "function");
  EXPECT_EQ(calls["tool_calls"][0]["function"]["name"], "tree_height");
  EXPECT_EQ(calls["tool_calls"][0]["function"]["arguments"], nlohmann::json({{"tree", "oak"}}));
  EXPECT_EQ(calls["tool_calls"][0]["id"].get<std::string>().size(), 9U);
}

TEST_F(ChatCommand, TheMakersChoicesHoldUnlessOthersAreSaid) {
  // Greedy by its own generation_config.json; a text that is continued is sampled.
  const auto seeds = [&](std::vector<std::string> words) {
    std::set<std::string> texts;
    for (const char* seed : {"1", "2", "3"}) {
      auto with_seed = words;
      with_seed.insert(with_seed.end(), {"--seed", seed, "--max-tokens", "12", "--ignore-eos"});
      texts.insert(generate(with_seed).out);
    }
    return texts.size();
  };
  EXPECT_EQ(seeds({"--chat", "What is a pine?"}), 1U);
  EXPECT_GT(seeds({"--chat", "What is a pine?", "--temperature", "20"}), 1U);
  EXPECT_GT(seeds({"Trees", "--temperature", "20"}), 1U);
  EXPECT_GT(seeds({"Trees"}), 1U);
}

TEST_F(ChatCommand, WhatIsWrongIsSaid) {
  write("order.json", R"([{"role": "user", "content": "a"}, {"role": "tool", "content": "b"}])");
  const auto order = generate({"--messages", at("order.json")});
  EXPECT_EQ(order.exit_code, 1);
  EXPECT_THAT(order.err, StartsWith("error: message 1: a tool's answer must follow"));
  write("late.json", R"([{"role": "user", "content": "a"}, {"role": "system", "content": "b"},
                         {"role": "user", "content": "c"}])");
  const auto late = generate({"--messages", at("late.json")});
  EXPECT_EQ(late.exit_code, 1);
  EXPECT_EQ(late.out, "");
  EXPECT_THAT(late.err, StartsWith("error: message 1: chat template, line "));
  EXPECT_THAT(late.err, HasSubstr("the system message must be the first"));
  write("no_schema.json", R"([{"name": "f", "parameters": {"properties": {"x": {"type": "strng"}}}}])");
  const auto schema = generate({"--chat", "a", "--tools", at("no_schema.json")});
  EXPECT_EQ(schema.exit_code, 1);
  EXPECT_THAT(schema.err, StartsWith("error: tool 0 \"f\": parameters.properties.x: \"type\" must be string, number"));
  const auto bundled = dstorch({"generate", "--chat", "Hello"});
  EXPECT_EQ(bundled.exit_code, 1);
  EXPECT_THAT(bundled.err, HasSubstr("has no chat template: looked for chat_template.jinja"));
  EXPECT_EQ(generate({"--chat", "a", "--temperature", "-1"}).exit_code, 2);
}

TEST_F(ChatCommand, WrongUsageIsExplained) {
  const auto usage = [&](const std::vector<std::string>& words, const std::string& why) {
    const auto result = generate(words);
    EXPECT_EQ(result.exit_code, 2) << why;
    EXPECT_THAT(result.err, HasSubstr("error: " + why));
  };
  usage({"--messages", at("x"), "Hello"}, "--messages has the whole conversation; a PROMPT is one too many");
  usage({"--messages", at("x"), "--ids", "1"}, "--messages has the whole conversation");
  usage({"--messages", at("x"), "--chat"}, "--chat is for a PROMPT; --messages has");
  usage({"--messages", at("x"), "--system", "S"}, "--system is for --chat; --messages has a message for it");
  usage({"--chat", "--ids", "1,2"}, "--chat is for a text, not for --ids");
  usage({"Hello", "--system", "S"}, "--system, --tools and --variables are for --chat and --messages");
  usage({"Hello", "--tools", at("tools.json")}, "--system, --tools and --variables are for");
}

TEST_F(ChatCommand, APipeConverses) {
  const auto talk = chat("What is a birch?\n\nWhat did I ask about?\n");
  EXPECT_EQ(talk.out, "A birch is a slender tree with white bark.\nYou asked about the birch.\n");
  EXPECT_EQ(talk.err, "");
  EXPECT_EQ(talk.exit_code, 0);
  // The last line needs no end, a backslash goes on in the next, and two strokes are one.
  EXPECT_EQ(chat("What is a birch?\n/reset\nWhat is\\\n a pine?").out.substr(0, 43),
            "A birch is a slender tree with white bark.\n");
  EXPECT_EQ(chat("What is an oak?", {"--system", "Answer in one word."}).out, "Tree.\n");
  EXPECT_EQ(chat("How tall is the fir?\n61\n", {"--tools", at("tools.json")}).out,
            "tree_height({\"tree\":\"fir\"})\nThe fir is 61 metres tall.\n");
  EXPECT_EQ(chat("What is a pine?\r\n").out, kPine + "\n");
  EXPECT_EQ(chat("").out, "");
}

TEST_F(ChatCommand, CommandsChangeTheConversation) {
  const auto talk = chat("/system Answer in one word.\nWhat is an oak?\n/system\n/save " + at("talk.json") +
                         "\n/stats\n/system -\n/reset\nWhat is an oak?\n/load " + at("talk.json") +
                         "\nWhat is a pine?\n/quit\nHello\n");
  EXPECT_EQ(talk.out, "Tree.\nAn oak is a broad tree that bears acorns.\nConifer.\n");
  EXPECT_EQ(talk.exit_code, 0) << talk.err;
  EXPECT_THAT(talk.err,
              HasSubstr("the model is told so from now on\nAnswer in one word.\n3 messages saved\n3 messages, "));
  EXPECT_THAT(talk.err, HasSubstr(" of 1024 tokens of the context; the last answer: "));
  EXPECT_THAT(talk.err, HasSubstr("the model is told nothing from now on\na new conversation\n3 messages loaded\n"));
  const auto saved = nlohmann::json::parse(std::ifstream(at("talk.json")));
  EXPECT_EQ(saved, nlohmann::json::parse(R"([{"role": "system", "content": "Answer in one word."},
      {"role": "user", "content": "What is an oak?"}, {"role": "assistant", "content": "Tree."}])"));
  // --messages reads what /save wrote; what ends with a question is answered.
  write("asks.json", R"([{"role": "user", "content": "What is a pine?"}])");
  EXPECT_EQ(chat("/load " + at("asks.json") + "\nWhat did I ask about?\n").out,
            kPine + "\nYou asked about the pine.\n");
  EXPECT_THAT(chat("/help\n").err, HasSubstr("/load FILE     go on with one\n"));
}

TEST_F(ChatCommand, CommandsThatFailSaySo) {
  const auto fails = [&](const std::string& line, const std::string& why, int code = 2) {
    const auto result = chat(line + "\n");
    EXPECT_THAT(result.err, StartsWith("error: " + why)) << line;
    EXPECT_EQ(result.exit_code, code) << line;
  };
  fails("/svae x", "there is no command /svae; did you mean /save?; /help shows them");
  fails("/save", "/save needs a file");
  fails("/load " + at("nothing.json"), "cannot read " + at("nothing.json"), 1);
  write("notes.txt", "mine");
  fails("What is a pine?\n/save " + at("notes.txt"), at("notes.txt") + " is there already and is no conversation");
  std::ifstream notes(at("notes.txt"));
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(notes), {}), "mine");
  fails("What is a pine?\n/save " + at("no/such/folder"), "cannot write " + at("no/such/folder"), 1);
  const auto bundled = dstorch({"chat"}, {.input = "Hello\n"});
  EXPECT_EQ(bundled.exit_code, 1);
  EXPECT_THAT(bundled.err, HasSubstr("has no chat template"));
  EXPECT_THAT(chat("Hello\n", {"--context", "4"}).err, HasSubstr("shorten it"));
}

}  // namespace
}  // namespace dstorch::test
