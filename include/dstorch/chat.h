#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dstorch {

/// A function that a model asks for.
struct ToolCall {
  /// Names the call, so that a tool's answer can refer to it. Empty where the model gives none.
  std::string id{};
  std::string name{};
  /// A JSON object.
  std::string arguments = "{}";
};

/// One turn of a conversation.
struct Message {
  /// "system", "user", "assistant", "tool", or another that the model's template knows.
  std::string role{};
  std::string content{};
  /// What an assistant thought before it answered; apart from `content`.
  std::string reasoning{};
  std::vector<ToolCall> tool_calls{};
  /// Of a "tool" message: the call it answers.
  std::string tool_call_id{};
  /// Of a "tool" message: the function's name.
  std::string name{};
  /// Content that is more than a text, as JSON: `[{"type": "text", "text": "..."}, ...]` or `null`. Goes before
  /// `content` unless it is empty.
  std::string content_json{};
  /// A JSON object of further fields for the template. Empty: none.
  std::string more{};
};

/// A function that a model may call.
struct Tool {
  std::string name{};
  std::string description{};
  /// A JSON schema of its arguments, an object.
  std::string parameters = R"({"type": "object", "properties": {}})";
  /// The tool as it was given, JSON; goes before the fields above unless it is empty.
  std::string json{};
};

/// Reads a JSON array of messages, or an object that has it as "messages", as OpenAI's API and Hugging Face write them.
/// Throws LMError{format} that names the message and what is wrong with it.
std::vector<Message> parse_messages(std::string_view json);
/// Reads a JSON array of tools: `{"type": "function", "function": {"name", "description", "parameters"}}`, or the
/// function alone. Throws LMError{format} that names the tool.
std::vector<Tool> parse_tools(std::string_view json);
/// Whether each tool has a name of its own and a JSON schema of its arguments. Throws LMError{invalid_argument} that
/// names the tool and the place in its schema.
void check_tools(std::span<const Tool> tools);
/// Whether a model can be asked for the next message: each has a role, answers of tools follow the calls that they
/// answer, the last is not the assistant's own; the tools are as `check_tools` says. What else must be so, the model's
/// template knows. Throws LMError{invalid_argument} that names the message or the tool.
void check_conversation(std::span<const Message> messages, std::span<const Tool> tools = {});
/// What `parse_messages` reads.
std::string to_json(std::span<const Message> messages);

struct ChatTemplateOptions {
  std::vector<Tool> tools{};
  /// End with what begins the assistant's answer.
  bool add_generation_prompt = true;
  /// Documents to answer from, for templates that take them: a JSON array of objects. Empty: none.
  std::string documents{};
  /// Further variables, a JSON object: `{"enable_thinking": false}`. They go before the model's special tokens.
  std::string variables{};
  /// One of `ChatTemplate::names()`; empty takes "tool_use" where there are tools and such a template, else "default".
  std::string name{};
  /// The time that a template tells the model; the clock's unless set.
  std::optional<std::chrono::system_clock::time_point> now{};
};

/// Turns conversations into prompts as a model's makers meant: its Jinja chat template, rendered as Hugging Face
/// `transformers` does, byte for byte. A template is a file from somewhere, so it is bounded in depth, steps and text,
/// and reaches nothing but what it is given. Immutable, hence usable from any number of threads at once.
class ChatTemplate {
 public:
  /// From a directory with a model's tokenizer files: `chat_template.jinja` and `additional_chat_templates/*.jinja`,
  /// else "chat_template" in `tokenizer_config.json`, a text or a list of named ones. Throws LMError: not_found when
  /// there is none, format for one that is no template.
  static std::shared_ptr<const ChatTemplate> load(const std::filesystem::path& directory);
  /// `special_tokens`: a JSON object, `{"bos_token": "<s>", ...}`.
  static std::shared_ptr<const ChatTemplate> from_source(std::string_view source,
                                                         std::string_view special_tokens = "{}");

  virtual ~ChatTemplate() = default;

  /// The prompt. Throws LMError: invalid_argument when the template refuses the conversation, or needs what was not
  /// given; format for JSON that is none, or a template that does not end.
  [[nodiscard]] virtual std::string render(std::span<const Message> messages,
                                           const ChatTemplateOptions& options = {}) const = 0;
  /// Of messages as JSON, which reach the template as they are.
  [[nodiscard]] virtual std::string render_json(std::string_view messages,
                                                const ChatTemplateOptions& options = {}) const = 0;
  /// The templates there are, "default" among them if there is one.
  [[nodiscard]] virtual std::vector<std::string> names() const = 0;
  /// The source of one of them. Throws LMError{invalid_argument}.
  [[nodiscard]] virtual std::string_view source(std::string_view name = {}) const = 0;
};

/// How a family of models writes the calls of its tools.
enum class ToolCallFormat {
  none,     ///< Everything is text.
  hermes,   ///< `<tool_call>{"name": ..., "arguments": {...}}</tool_call>`: Hermes, Qwen and many more.
  llama3,   ///< `{"name": ..., "parameters": {...}}` as the whole answer, perhaps after `<|python_tag|>`.
  mistral,  ///< `[TOOL_CALLS][{"name": ..., "arguments": {...}}, ...]`, or `[TOOL_CALLS]name[ARGS]{...}`.
  json,     ///< A JSON object or array of calls as the whole answer.
};

/// Which of them a template writes into a conversation; `json` where it knows tools but no format that is known here.
ToolCallFormat detect_tool_calls(std::string_view template_source);

struct AnswerFormat {
  ToolCallFormat tool_calls = ToolCallFormat::hermes;
  /// Around what a model thinks; empty where it does not think aloud.
  std::string reasoning_begin = "<think>";
  std::string reasoning_end = "</think>";
  /// The prompt has opened the reasoning already, so the answer begins inside it.
  bool begins_reasoning = false;
  /// Special tokens that are no part of what is said, cut wherever they come: "<|eot_id|>".
  std::vector<std::string> dropped{};
};

/// The format of answers to `prompt`, which came from a template with this source.
AnswerFormat detect_answer_format(std::string_view template_source, std::string_view prompt);

/// A part of an answer.
struct AnswerPiece {
  enum class Kind { text, reasoning, tool_call };
  Kind kind = Kind::text;
  /// Text or reasoning.
  std::string text{};
  ToolCall call{};
};

/// Takes an answer apart while it comes: text, reasoning, calls of tools. What may yet become a mark is held back until
/// it is known. A call that is no JSON stays text, so nothing that a model wrote is lost. The text must have the marks
/// in it, some of which are special tokens. One thread at a time.
class AnswerParser {
 public:
  explicit AnswerParser(AnswerFormat format = {});
  ~AnswerParser();
  AnswerParser(AnswerParser&&) noexcept;
  AnswerParser& operator=(AnswerParser&&) noexcept;

  /// The parts that `text` completes.
  std::vector<AnswerPiece> push(std::string_view text);
  /// What is still held back. The parser starts anew after it.
  std::vector<AnswerPiece> finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// A whole answer as the assistant's message; white space around its text and its reasoning is cut.
Message parse_answer(std::string_view text, const AnswerFormat& format = {});

}  // namespace dstorch
