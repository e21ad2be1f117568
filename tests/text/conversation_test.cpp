// What a model can be asked, where its answers end, and what becomes of them.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "core/json.h"
#include "dstorch/chat.h"
#include "dstorch/error.h"
#include "dstorch/tokenizer.h"
#include "support/paths.h"
#include "text/chat/answer_collector.h"
#include "text/chat/chat_model.h"

namespace dstorch {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

template <typename Call>
std::string error_of(const Call& call) {
  try {
    call();
    return "no error";
  } catch (const LMError& e) {
    return std::string(to_string(e.kind())) + ": " + e.what();
  }
}

const Message kUser{.role = "user", .content = "How tall?"};
const Message kCalls{.role = "assistant", .tool_calls = {{.id = "a", .name = "f"}, {.id = "b", .name = "g"}}};

TEST(CheckConversation, MessagesOutOfOrderAreNamed) {
  const auto error = [](const std::vector<Message>& messages) {
    return error_of([&] { check_conversation(messages); });
  };
  EXPECT_THAT(error({}), HasSubstr("invalid_argument: a conversation needs at least one message"));
  EXPECT_EQ(error({{.role = "system", .content = "S"}, kUser}), "no error");
  EXPECT_THAT(error({kUser, {.content = "x"}}), StartsWith("invalid_argument: message 1 must have a role"));
  EXPECT_THAT(error({kUser, {.role = "assistant", .content = "x"}}),
              StartsWith("invalid_argument: message 1: the last message must be one to answer"));
  const Message answer{.role = "tool", .content = "5"};
  EXPECT_THAT(error({kUser, answer}), StartsWith("invalid_argument: message 1: a tool's answer must follow"));
  EXPECT_THAT(error({kUser, kCalls, kUser, answer}), StartsWith("invalid_argument: message 3: a tool's answer must"));
  EXPECT_THAT(error({kUser, {.role = "assistant", .content = "no call"}, answer}), HasSubstr("message 2: a tool's"));
  EXPECT_EQ(error({kUser, kCalls, answer, answer}), "no error");
  EXPECT_EQ(error({kUser, kCalls, {.role = "tool", .tool_call_id = "b"}, {.role = "tool", .tool_call_id = "a"}}),
            "no error");
  EXPECT_EQ(error({kUser, kCalls, answer, {.role = "tool", .tool_call_id = "c"}}),
            "invalid_argument: message 3: its tool_call_id \"c\" must be that of a call before it: a, b");
  // Some models give their calls no ids.
  EXPECT_EQ(error({kUser, {.role = "assistant", .tool_calls = {{.name = "f"}}}, {.role = "tool", .tool_call_id = "c"}}),
            "no error");
}

TEST(CheckConversation, ToolsThatAreNoSchemasAreNamed) {
  const auto error = [](const std::string& parameters) {
    const std::vector<Message> messages{kUser};
    const std::vector<Tool> tools{{.name = "f"}, {.name = "g", .parameters = parameters}};
    return error_of([&] { check_conversation(messages, tools); });
  };
  const std::string where = "invalid_argument: tool 1 \"g\": parameters";
  for (const char* right : {"{}", R"({"type": "object"})",
                            R"({"type": "object", "required": ["a"], "additionalProperties": false, "properties": {
            "a": {"type": ["string", "null"], "enum": ["x", null]}, "b": true,
            "c": {"type": "array", "items": {"anyOf": [{"type": "integer"}, {"not": {"type": "number"}}]}},
            "d": {"items": [{"type": "boolean"}], "$ref": "#/$defs/x"}}, "$defs": {"x": {}}})"}) {
    EXPECT_EQ(error(right), "no error") << right;
  }
  EXPECT_THAT(error("[]"), HasSubstr("tool 1 \"g\": parameters must be a JSON object, it is []"));
  EXPECT_EQ(error(R"({"type": "string"})"), where + ": \"type\" must be \"object\", it is \"string\"");
  EXPECT_THAT(error(R"({"properties": {"a": {"type": "strng"}}})"),
              StartsWith(where + ".properties.a: \"type\" must be string, number"));
  EXPECT_THAT(error(R"({"properties": {"a": {"type": []}}})"), StartsWith(where + ".properties.a: \"type\" must be"));
  EXPECT_THAT(error(R"({"properties": {"a": {"type": ["null", 1]}}})"), HasSubstr(R"(it is ["null",1])"));
  EXPECT_EQ(error(R"({"properties": {"a": "string"}})"),
            where + ".properties.a must be a JSON schema, an object; it is \"string\"");
  EXPECT_EQ(error(R"({"properties": ["a"]})"), where + ".properties must be an object, it is [\"a\"]");
  EXPECT_EQ(error(R"({"required": "a"})"), where + ".required must be a list of names, it is \"a\"");
  EXPECT_EQ(error(R"({"required": [1]})"), where + ".required must be a list of names, it is [1]");
  EXPECT_EQ(error(R"({"properties": {"a": {"enum": 1}}})"), where + ".properties.a.enum must be a list, it is 1");
  EXPECT_EQ(error(R"({"anyOf": []})"), where + ".anyOf must be a list of schemas, it is []");
  EXPECT_THAT(error(R"({"oneOf": [{}, 1]})"), StartsWith(where + ".oneOf[1] must be a JSON schema"));
  EXPECT_THAT(error(R"({"properties": {"a": {"items": 1}}})"), StartsWith(where + ".properties.a.items must be"));
  EXPECT_THAT(error(R"({"properties": {"a": {"items": [1]}}})"), StartsWith(where + ".properties.a.items[0] must be"));
  EXPECT_THAT(error(R"({"additionalProperties": 1})"), StartsWith(where + ".additionalProperties must be"));
  EXPECT_THAT(error(R"({"$defs": {"x": 1}})"), StartsWith(where + ".$defs.x must be"));
  EXPECT_THAT(error(R"({"propertyNames": 1})"), StartsWith(where + ".propertyNames must be"));
  for (const char* word : {"pattern", "format", "$ref"}) {
    EXPECT_EQ(error(fmt::format(R"({{"properties": {{"a": {{"{}": 1}}}}}})", word)),
              fmt::format("{}.properties.a.{} must be text, it is 1", where, word));
  }
  for (const char* word : {"minimum", "maximum", "multipleOf"}) {
    EXPECT_EQ(error(fmt::format(R"({{"{}": "1"}})", word)),
              fmt::format("{}.{} must be a number, it is \"1\"", where, word));
    EXPECT_EQ(error(fmt::format(R"({{"{}": -1.5}})", word)), "no error");
  }
  for (const char* word : {"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"}) {
    for (const char* count : {"-1", "1.5", "\"1\""}) {
      EXPECT_EQ(error(fmt::format(R"({{"{}": {}}})", word, count)),
                fmt::format("{}.{} must be a whole number that is not negative, it is {}", where, word, count));
    }
    EXPECT_EQ(error(fmt::format(R"({{"{}": 3.0}})", word)), "no error");
    EXPECT_EQ(error(fmt::format(R"({{"{}": 0}})", word)), "no error");
  }
  EXPECT_EQ(error(R"({"uniqueItems": 1})"), where + ".uniqueItems must be true or false, it is 1");
}

TEST(CheckConversation, ToolsNeedNamesOfTheirOwn) {
  const auto error = [](const std::vector<Tool>& tools) {
    return error_of([&] { check_conversation(std::vector<Message>{kUser}, tools); });
  };
  EXPECT_THAT(error({{.name = ""}}), StartsWith("invalid_argument: tool 0 must have a \"name\""));
  EXPECT_EQ(error({{.name = "f"}, {.name = "f"}}), "invalid_argument: tool 1 \"f\": another tool has this name");
  EXPECT_EQ(error({{.name = "f", .json = R"({"name": "g"})"}, {.name = "f"}}), "no error");
  EXPECT_THAT(error({{.json = R"({"type": "function", "function": {"name": "f", "parameters": "x"}})"}}),
              HasSubstr("tool 0 \"f\": parameters must be a JSON schema, an object; it is \"x\""));
}

TEST(ChatTemplate, ARefusalNamesTheMessageOrTheTool) {
  const auto alternating = ChatTemplate::from_source(
      "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
      "{{ raise_exception('roles must alternate') }}{% endif %}{% if m.role == 'user' and m.content == '!' %}"
      "{{ m.content.nothing.at_all }}{% endif %}{% endfor %}{% if messages|length == 7 %}"
      "{{ raise_exception('seven are too many') }}{% endif %}");
  const Message assistant{.role = "assistant", .content = "x"};
  const auto error = [&](const std::vector<Message>& messages) {
    return error_of([&] { (void)alternating->render(messages); });
  };
  EXPECT_EQ(error({kUser, assistant, kUser}), "no error");
  const std::string refused = "chat template, line 1: the template refuses this conversation: ";
  EXPECT_EQ(error({kUser, assistant, kUser, kUser, assistant}),
            "invalid_argument: message 3: " + refused + "roles must alternate");
  EXPECT_EQ(error({kUser, kUser}), "invalid_argument: message 1: " + refused + "roles must alternate");
  EXPECT_EQ(error({assistant}), "invalid_argument: message 0: " + refused + "roles must alternate");
  EXPECT_THAT(error({kUser, assistant, {.role = "user", .content = "!"}, assistant}),
              StartsWith("invalid_argument: message 2: chat template, line 1: "));
  EXPECT_EQ(error({kUser, assistant, kUser, assistant, kUser, assistant, kUser}),
            "invalid_argument: message 6: " + refused + "seven are too many");
  // What a template cannot write of a tool is said of the tool: here, one that is not wrapped.
  const auto wrapped = ChatTemplate::from_source("{% for t in tools or [] %}{{ t.function|tojson }}{% endfor %}");
  ChatTemplateOptions options;
  options.tools = parse_tools(R"([{"type": "function", "function": {"name": "f"}}, {"name": "g"}, {"name": "h"}])");
  EXPECT_THAT(error_of([&] {
                (void)wrapped->render(std::vector<Message>{kUser, assistant, kUser}, options);
              }),
              StartsWith("invalid_argument: tool 1: chat template, line 1: "));
  // What is wrong with every conversation is none of a message's.
  const auto picky = ChatTemplate::from_source("{% if not tools %}{{ raise_exception('no tools') }}{% endif %}");
  EXPECT_EQ(error_of([&] {
              (void)picky->render(std::vector<Message>{kUser, assistant, kUser});
            }),
            "invalid_argument: " + refused + "no tools");
}

/// Files of a model beside each other, with the toy's tokenizer.
class ChatFiles : public testing::Test {
 protected:
  ChatFiles() : directory_(fs::temp_directory_path() / ("dstorch_chat_model_" + std::to_string(getpid()))) {
    fs::create_directories(directory_);
    tokenizer_ = Tokenizer::load(test::source_dir() / "examples/trees");
  }
  ~ChatFiles() override { fs::remove_all(directory_); }

  [[nodiscard]] text::ChatModel model(const std::string& chat_template, const std::string& config = "{}",
                                      const std::string& generation = "{}") const {
    std::ofstream(directory_ / "chat_template.jinja") << chat_template;
    std::ofstream(directory_ / "tokenizer_config.json") << config;
    std::ofstream(directory_ / "generation_config.json") << generation;
    return {tokenizer_, directory_};
  }
  [[nodiscard]] int64_t id(const std::string& token) const { return tokenizer_->token_to_id(token).value(); }

  fs::path directory_;
  std::shared_ptr<const Tokenizer> tokenizer_;
};

TEST_F(ChatFiles, AnAnswerEndsWithWhatTheTemplateWritesBehindOne) {
  const std::string turns = "{% for m in messages %}<|turn|>{{ m.role }}\n{{ m.content }}";
  EXPECT_THAT(model(turns + "<|end|>\n{% endfor %}").end_tokens(), ElementsAre(id("<|end|>")));
  EXPECT_THAT(model(turns + "  \n<|end|>{% endfor %}").end_tokens(), ElementsAre(id("<|end|>")));
  EXPECT_THAT(model(turns + "{% endfor %}", R"({"eos_token": "<|end|>"})").end_tokens(), ElementsAre(id("<|end|>")));
  EXPECT_THAT(model(turns + "<|end|>{% endfor %}", R"({"eos_token": "<|endoftext|>"})").end_tokens(),
              ElementsAre(id("<|endoftext|>"), id("<|end|>")));
  // Words, and tokens that are none of the control tokens, end nothing; nor does a template that takes no answers.
  EXPECT_THAT(model(turns + " END <|end|>{% endfor %}").end_tokens(), IsEmpty());
  EXPECT_THAT(model(turns + "</think><|end|>{% endfor %}").end_tokens(), IsEmpty());
  EXPECT_THAT(model("{{ raise_exception('never') }}").end_tokens(), IsEmpty());
  EXPECT_THAT(model(turns + "{% endfor %}", R"({"eos_token": "<unknown>"})").end_tokens(), IsEmpty());
}

TEST_F(ChatFiles, ThePromptSaysHowItsAnswerIsRead) {
  const auto chat = model(
      "{% for m in messages %}<|turn|>{{ m.content }}<|end|>{% endfor %}{% if tools %}<tool_call>{% endif %}"
      "{% if add_generation_prompt %}<|turn|>{% if think is defined %}<think>\n{% else %}{# </think> #}{% endif %}"
      "{% endif %}",
      "{}", R"({"do_sample": true, "temperature": 0.5})");
  EXPECT_EQ(chat.defaults().temperature, 0.5);
  const std::vector<Message> messages{kUser};
  const auto plain = chat.prompt(messages, {});
  EXPECT_EQ(plain.ids.front(), id("<|turn|>"));
  EXPECT_EQ(plain.ids.back(), id("<|turn|>"));
  EXPECT_EQ(plain.format.reasoning_begin, "<think>");
  EXPECT_FALSE(plain.format.begins_reasoning);
  EXPECT_EQ(plain.format.tool_calls, ToolCallFormat::none);
  EXPECT_THAT(plain.format.dropped, Contains("<|end|>"));
  EXPECT_THAT(plain.format.dropped, Contains("<|turn|>"));

  ChatTemplateOptions options;
  options.tools = {{.name = "f"}};
  options.variables = R"({"think": true})";
  const auto full = chat.prompt(messages, options);
  EXPECT_EQ(full.format.tool_calls, ToolCallFormat::hermes);
  EXPECT_TRUE(full.format.begins_reasoning);
  EXPECT_NE(full.hash, plain.hash);
  EXPECT_EQ(chat.prompt(messages, options).hash, full.hash);
  EXPECT_THAT(error_of([&] { (void)chat.prompt({}, {}); }), HasSubstr("at least one message"));
  options.tools = {{.name = "f", .parameters = R"({"type": 1})"}};
  EXPECT_THAT(error_of([&] { (void)chat.prompt(messages, options); }), HasSubstr("tool 0 \"f\": parameters"));
}

TEST_F(ChatFiles, MarksThatAreControlTokensAreNotDropped) {
  const auto dropped = [&](const std::string& marks, bool tools) {
    OrderedJson json = OrderedJson::parse(std::ifstream(test::source_dir() / "examples/trees/tokenizer.json"));
    int64_t next = 600;
    for (const char* token : {"[TOOL_CALLS]", "[ARGS]", "[CALL_ID]", "<|python_tag|>", "[THINK]", "[/THINK]"}) {
      json["added_tokens"].push_back({{"id", next++}, {"content", token}, {"special", true}});
    }
    tokenizer_ = Tokenizer::from_json(json.dump());
    ChatTemplateOptions options;
    if (tools) {
      options.tools = {{.name = "f"}};
    }
    return model("{{ messages[0].content }}{# tools " + marks + " #}")
        .prompt(std::vector<Message>{kUser}, options)
        .format.dropped;
  };
  EXPECT_THAT(dropped("[TOOL_CALLS] [THINK]", true),
              testing::UnorderedElementsAre("<|endoftext|>", "<|turn|>", "<|end|>", "<|python_tag|>"));
  EXPECT_THAT(dropped("[TOOL_CALLS]", false), testing::IsSupersetOf({"[TOOL_CALLS]", "[ARGS]", "[THINK]"}));
  EXPECT_THAT(dropped("<|python_tag|>", true), Not(Contains("<|python_tag|>")));
  EXPECT_THAT(dropped("<|python_tag|>", true), Contains("[TOOL_CALLS]"));
  EXPECT_THAT(dropped("", true), Contains("<|python_tag|>"));
}

TEST(AnswerCollector, MakesAMessageAndNamesItsCalls) {
  const std::string call = "<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>";
  const auto collect = [&](uint64_t ids) {
    text::AnswerCollector collector(AnswerFormat{}, ids);
    std::vector<AnswerPiece> pieces;
    for (const std::string& text : {std::string("<think>\nhm\n</think>\n\nSo: "), call, call, std::string(" \n")}) {
      for (auto& piece : collector.push(text)) {
        pieces.push_back(std::move(piece));
      }
    }
    collector.finish();
    return std::pair(collector.message(), pieces);
  };
  const auto [message, pieces] = collect(7);
  EXPECT_EQ(message.role, "assistant");
  EXPECT_EQ(message.content, "So:");
  EXPECT_EQ(message.reasoning, "hm");
  ASSERT_EQ(message.tool_calls.size(), 2U);
  EXPECT_THAT(message.tool_calls[0].id, testing::MatchesRegex("[0-9a-zA-Z]{9}"));
  EXPECT_NE(message.tool_calls[0].id, message.tool_calls[1].id);
  EXPECT_EQ(pieces.back().call.id, message.tool_calls[1].id);
  EXPECT_EQ(collect(7).first.tool_calls[0].id, message.tool_calls[0].id);
  EXPECT_NE(collect(8).first.tool_calls[0].id, message.tool_calls[0].id);
  EXPECT_EQ(collect(0).first.tool_calls[0].id, "");
  EXPECT_EQ(parse_answer(call).tool_calls[0].id, "");
}

}  // namespace
}  // namespace dstorch
