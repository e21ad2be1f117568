// Conversations with the toy of examples/trees: what it was taught to say is what a right prompt makes it say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "driver/bell.h"
#include "driver/test_models.h"
#include "support/paths.h"

namespace dstorch::test {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

fs::path trees() { return source_dir() / "examples/trees"; }

TorchModel& shared_model() {
  static const auto model = load({.model_path = trees()});
  return *model;
}

Message user(std::string text) { return {.role = "user", .content = std::move(text)}; }

const Tool kHeight{
    .name = "tree_height",
    .description = "How tall a tree is, in metres",
    .parameters = R"({"type": "object", "properties": {"tree": {"type": "string"}}, "required": ["tree"]})"};

/// A copy of the toy's files, some of which a test changes.
class ChatDirectory {
 public:
  ChatDirectory() : path_(fs::temp_directory_path() / ("dstorch_chat_" + std::to_string(getpid()))) {
    fs::remove_all(path_);
    fs::copy(trees(), path_);
  }
  ChatDirectory(const ChatDirectory&) = delete;
  ChatDirectory& operator=(const ChatDirectory&) = delete;
  ~ChatDirectory() { fs::remove_all(path_); }

  void write(const std::string& name, const std::string& text) const { std::ofstream(path_ / name) << text; }
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

TEST(Chat, AnswersTheConversation) {
  auto& model = shared_model();
  std::vector<Message> messages{user("What is a pine?")};
  const auto first = model.chat(messages);
  EXPECT_EQ(first.message.role, "assistant");
  EXPECT_EQ(first.message.content, "A pine is a conifer with long needles.");
  EXPECT_EQ(first.message.reasoning, "");
  EXPECT_THAT(first.message.tool_calls, IsEmpty());
  // The end of the turn ended it, and no other: the config knows the end of a document alone.
  EXPECT_EQ(first.generation.finish_reason, FinishReason::stop);
  EXPECT_EQ(first.generation.tokens.back(), model.tokenizer()->token_to_id("<|end|>"));
  EXPECT_EQ(first.generation.text, "A pine is a conifer with long needles.");
  messages.push_back(first.message);
  messages.push_back(user("What did I ask about?"));
  EXPECT_EQ(model.chat(messages).message.content, "You asked about the pine.");
  messages = {{.role = "system", .content = "Answer in one word."}, user("What is an oak?")};
  EXPECT_EQ(model.chat(messages).message.content, "Tree.");
}

TEST(Chat, HandsOutReasoningApart) {
  std::vector<std::pair<AnswerPiece::Kind, std::string>> parts;
  ChatOptions options;
  options.on_piece = [&](const AnswerPiece& piece) {
    if (parts.empty() || parts.back().first != piece.kind) {
      parts.emplace_back(piece.kind, "");
    }
    parts.back().second += piece.text;
    return true;
  };
  const std::vector<Message> messages{user("Which is taller, an oak or a fir?")};
  const auto result = shared_model().chat(messages, options);
  EXPECT_EQ(result.message.reasoning, "An oak grows to 35 m, a fir to 60 m.");
  EXPECT_EQ(result.message.content, "The fir.");
  EXPECT_EQ(result.generation.text, "<think>\nAn oak grows to 35 m, a fir to 60 m.\n</think>\n\nThe fir.");
  using Kind = AnswerPiece::Kind;
  EXPECT_THAT(parts, ElementsAre(std::pair(Kind::reasoning, "An oak grows to 35 m, a fir to 60 m.\n"),
                                 std::pair(Kind::text, "The fir.")));
  options.prompt.variables = R"({"enable_thinking": false})";
  const auto silent = shared_model().chat(messages, options);
  EXPECT_EQ(silent.message.reasoning, "");
  EXPECT_EQ(silent.message.content, "The fir.");
}

TEST(Chat, CallsAToolAndReadsItsAnswer) {
  std::vector<Message> messages{user("How tall is the oak?")};
  EXPECT_EQ(shared_model().chat(messages).message.content, "I cannot measure trees.");
  ChatOptions options;
  options.prompt.tools = {kHeight};
  std::vector<AnswerPiece> pieces;
  options.on_piece = [&](const AnswerPiece& piece) {
    pieces.push_back(piece);
    return true;
  };
  const auto asks = shared_model().chat(messages, options);
  EXPECT_EQ(asks.message.content, "");
  ASSERT_EQ(asks.message.tool_calls.size(), 1U);
  const auto& call = asks.message.tool_calls[0];
  EXPECT_EQ(call.name, "tree_height");
  EXPECT_EQ(call.arguments, R"({"tree":"oak"})");
  EXPECT_EQ(call.id.size(), 9U);
  ASSERT_EQ(pieces.size(), 1U);
  EXPECT_EQ(pieces[0].kind, AnswerPiece::Kind::tool_call);
  EXPECT_EQ(pieces[0].call.id, call.id);
  messages.push_back(asks.message);
  messages.push_back({.role = "tool", .content = "27", .tool_call_id = call.id});
  EXPECT_EQ(shared_model().chat(messages, options).message.content, "The oak is 27 metres tall.");
}

TEST(Chat, TheMakersChoicesHoldForConversationsAlone) {
  const ChatDirectory directory;
  directory.write("generation_config.json",
                  R"({"eos_token_id": 0, "do_sample": true, "temperature": 0.25, "top_k": 7, "top_p": 0.5})");
  const auto model = load({.model_path = directory.path()});
  const auto defaults = model->chat_defaults();
  EXPECT_EQ(defaults.temperature, 0.25);
  EXPECT_EQ(defaults.top_k, 7);
  EXPECT_EQ(defaults.top_p, 0.5);
  EXPECT_EQ(shared_model().chat_defaults().temperature, 0);
  // Unlikely choices, so that sampling shows: with the makers' own, what is asked for is answered as taught.
  const std::vector<Message> messages{user("What is a pine?")};
  ChatOptions options;
  options.generation = GenerationOptions{.max_tokens = 40, .temperature = 50, .seed = 1};
  EXPECT_NE(model->chat(messages, options).message.content, "A pine is a conifer with long needles.");
  EXPECT_EQ(model->chat(messages).message.content, "A pine is a conifer with long needles.");
}

TEST(Chat, SpecialTokensInAMessageStayText) {
  auto& model = shared_model();
  const auto tokens = [&](const std::string& text) {
    const std::vector<Message> messages{user(text)};
    return model.chat(messages, {.generation = greedy(1)}).generation.usage.prompt_tokens;
  };
  const auto spelled = model.tokenizer()->encode("<|end|>", {.parse_special_tokens = false});
  ASSERT_GT(spelled.size(), 1U);
  EXPECT_EQ(tokens("<|end|>") - tokens(""), static_cast<int64_t>(spelled.size()));
}

TEST(Chat, IsStreamedAndStopped) {
  const std::vector<Message> messages{user("What is a pine?")};
  ChatOptions options;
  std::string heard;
  options.on_piece = [&](const AnswerPiece& piece) {
    heard += piece.text;
    return heard.size() < 8;
  };
  const auto stopped = shared_model().chat(messages, options);
  EXPECT_EQ(stopped.generation.finish_reason, FinishReason::cancelled);
  EXPECT_THAT("A pine is a conifer with long needles.", StartsWith(stopped.message.content));
  EXPECT_EQ(heard.substr(0, stopped.message.content.size()), stopped.message.content);
  EXPECT_LT(heard.size(), 20U);

  options.on_piece = {};
  options.generation = GenerationOptions{.temperature = 0, .ignore_eos = true};
  auto pending = shared_model().submit_chat(messages, options);
  pending.cancel();
  EXPECT_EQ(pending.wait().generation.finish_reason, FinishReason::cancelled);
  auto whole = shared_model().submit_chat(messages, {});
  while (!whole.poll()) {
  }
  EXPECT_EQ(whole.wait().message.content, "A pine is a conifer with long needles.");
  // Unless somebody says how many, as many tokens as there is room for.
  const auto full = shared_model().chat(messages, options);
  EXPECT_EQ(full.generation.finish_reason, FinishReason::length);
  EXPECT_EQ(full.generation.usage.prompt_tokens + full.generation.usage.completion_tokens,
            shared_model().info().max_context);
}

TEST(Chat, TellsWhoeverPollsWhenThereIsSomething) {
  const std::vector<Message> messages{user("What is a pine?")};
  int rung = 0;
  // An answer that is whole before anybody asks to be told rings once: then another is asked for.
  for (int attempt = 0; attempt < 100 && rung < 2; ++attempt) {
    std::string heard;
    ChatOptions options;
    options.on_piece = [&](const AnswerPiece& piece) {
      heard += piece.text;
      return true;
    };
    auto pending = shared_model().submit_chat(messages, options);
    rung = test::poll_when_told(pending);
    EXPECT_EQ(pending.wait().message.content, "A pine is a conifer with long needles.");
    EXPECT_EQ(heard, "A pine is a conifer with long needles.");
  }
  EXPECT_GT(rung, 1);
}

TEST(Chat, ACallbackThatThrowsIsHeard) {
  const std::vector<Message> messages{user("What is a pine?")};
  ChatOptions options;
  options.on_piece = [](const AnswerPiece&) -> bool { throw std::runtime_error("no paper"); };
  EXPECT_THROW((void)shared_model().chat(messages, options), std::runtime_error);
  options.on_piece = {};
  options.generation = GenerationOptions{.on_token = [](std::string_view) { return true; }};
  const auto refused = error_of([&] { (void)shared_model().chat(messages, options); });
  EXPECT_EQ(refused.kind(), ErrorKind::invalid_argument);
  EXPECT_THAT(refused.what(), HasSubstr("a chat has no on_token"));
}

TEST(Chat, WhatIsWrongIsNamed) {
  auto& model = shared_model();
  const auto refused = [&](const std::vector<Message>& messages) {
    return error_of([&] { (void)model.chat(messages); });
  };
  const auto order = refused({user("a"), {.role = "tool", .content = "1"}});
  EXPECT_EQ(order.kind(), ErrorKind::invalid_argument);
  EXPECT_THAT(order.what(), StartsWith("message 1: a tool's answer must follow"));
  EXPECT_THAT(
      refused({user("a"), {.role = "system", .content = "late"}, user("b")}).what(),
      testing::MatchesRegex("message 1: chat template, line [0-9]+: the template refuses this conversation: the "
                            "system message must be the first"));
  EXPECT_EQ(error_of([&] {
              (void)model.chat(std::vector<Message>{user("a")}, {.generation = GenerationOptions{.temperature = -1}});
            }).kind(),
            ErrorKind::invalid_argument);
}

TEST(Chat, AModelWithoutATemplateSaysSo) {
  const ChatDirectory directory;
  fs::remove(directory.path() / "chat_template.jinja");
  const auto model = load({.model_path = directory.path()});
  const std::vector<Message> messages{user("a")};
  const auto missing = error_of([&] { (void)model->chat(messages); });
  EXPECT_EQ(missing.kind(), ErrorKind::not_found);
  EXPECT_THAT(missing.what(), HasSubstr(directory.path().string() + " has no chat template: looked for"));
  EXPECT_EQ(error_of([&] { (void)model->chat_defaults(); }).kind(), ErrorKind::not_found);
  EXPECT_EQ(error_of([&] { (void)model->chat_template(); }).kind(), ErrorKind::not_found);
  // It is looked for again.
  directory.write("chat_template.jinja", "{{ nothing");
  EXPECT_EQ(error_of([&] { (void)model->chat(messages); }).kind(), ErrorKind::format);
  fs::copy_file(trees() / "chat_template.jinja", directory.path() / "chat_template.jinja",
                fs::copy_options::overwrite_existing);
  EXPECT_EQ(model->chat(std::vector<Message>{user("What is a pine?")}).message.content,
            "A pine is a conifer with long needles.");

  const auto plain = load({.architecture = Architecture{1, 2, 3}});
  EXPECT_EQ(error_of([&] { (void)plain->chat(messages); }).kind(), ErrorKind::unsupported);
  TorchModel unloaded({.model_path = trees()});
  EXPECT_EQ(error_of([&] { (void)unloaded.chat(messages); }).kind(), ErrorKind::not_initialized);
}

TEST(Chat, ATokenizerOfAnotherPlaceMayBringTheTemplate) {
  const ChatDirectory directory;
  fs::remove(directory.path() / "tokenizer.json");
  EXPECT_THAT(
      error_of([&] { (void)load({.model_path = directory.path()})->chat(std::vector<Message>{user("a")}); }).what(),
      HasSubstr("a conversation needs the model's tokenizer"));
  // The tokenizer's own template, and the model's where the tokenizer has none.
  directory.write("chat_template.jinja", "{{ raise_exception('the model\\'s') }}");
  const auto error = [&](const fs::path& tokenizer) {
    const auto model = load({.model_path = directory.path(), .tokenizer_path = tokenizer});
    return std::string(error_of([&] { (void)model->chat(std::vector<Message>{user("a")}); }).what());
  };
  const auto beside = load({.model_path = directory.path(), .tokenizer_path = trees()});
  EXPECT_EQ(beside->chat(std::vector<Message>{user("What is a pine?")}).message.content,
            "A pine is a conifer with long needles.");
  fs::create_directory(directory.path() / "alone");
  fs::copy_file(trees() / "tokenizer.json", directory.path() / "alone/tokenizer.json");
  EXPECT_THAT(error(directory.path() / "alone/tokenizer.json"), HasSubstr("the model's"));
}

}  // namespace
}  // namespace dstorch::test
