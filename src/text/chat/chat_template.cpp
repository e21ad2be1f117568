#include "text/chat/chat_template.h"

#include <fmt/format.h>

#include <algorithm>

#include "text/chat/guard.h"
#include "text/chat/message_json.h"

namespace dstorch {
namespace text {
namespace {

// What the templates of one model have in common comes from its files; null, as transformers passes what is not given.
OrderedJson variables_of(const OrderedJson& special_tokens, const OrderedJson& messages,
                         const ChatTemplateOptions& options) {
  OrderedJson variables = special_tokens;
  if (!options.variables.empty()) {
    const OrderedJson more = parse_ordered_json(options.variables, "template variables");
    require(more.is_object(), ErrorKind::format, "template variables must be a JSON object");
    variables.update(more);
  }
  variables["messages"] = messages;
  variables["tools"] = options.tools.empty() ? OrderedJson() : tools_to_json(options.tools);
  variables["documents"] =
      options.documents.empty() ? OrderedJson() : parse_ordered_json(options.documents, "documents");
  require(variables["documents"].is_null() || variables["documents"].is_array(), ErrorKind::format,
          "documents must be a JSON array");
  variables["add_generation_prompt"] = options.add_generation_prompt;
  return variables;
}

}  // namespace

JinjaChatTemplate::JinjaChatTemplate(TemplateFiles files)
    : special_tokens_(std::move(files.special_tokens)), where_(std::move(files.where)) {
  for (auto& [name, source] : files.sources) {
    const std::string called = name == "default" ? "chat template" : fmt::format("chat template \"{}\"", name);
    jinja::Template compiled(source, called);
    templates_.emplace(name, Named{std::move(source), std::move(compiled)});
  }
}

const JinjaChatTemplate::Named& JinjaChatTemplate::choose(const ChatTemplateOptions& options) const {
  const bool for_tools = !options.tools.empty() && templates_.contains("tool_use");
  const std::string wanted = !options.name.empty() ? options.name : for_tools ? "tool_use" : "default";
  const auto found = templates_.find(wanted);
  require(found != templates_.end(), ErrorKind::invalid_argument, "{} has no chat template \"{}\"; it has: {}", where_,
          wanted, fmt::join(names(), ", "));
  return found->second;
}

std::string JinjaChatTemplate::render_variables(const OrderedJson& variables,
                                                const ChatTemplateOptions& options) const {
  jinja::RenderOptions render_options;
  render_options.now = options.now;
  const jinja::Template& compiled = choose(options).compiled;
  try {
    return compiled.render(variables, render_options).text;
  } catch (const LMError& e) {
    if (e.kind() != ErrorKind::invalid_argument) {
      throw;
    }
    fail(e.kind(), "{}{}", refused_part(variables, options, e.what()), e.what());
  }
}

// "message 3: " or "tool 1: " where that is what the template refuses; nothing where it refuses any conversation.
std::string JinjaChatTemplate::refused_part(const OrderedJson& variables, const ChatTemplateOptions& options,
                                            std::string_view why) const {
  const jinja::Template& compiled = choose(options).compiled;
  jinja::RenderOptions render_options;
  render_options.now = options.now;
  OrderedJson shorter = variables;
  const auto refuses = [&] {
    try {
      (void)compiled.render(shorter, render_options);
      return false;
    } catch (const LMError& e) {
      return why == e.what();
    }
  };
  // Of the beginnings of a list, those that are long enough are refused for this reason: where the first one ends.
  const auto first_refused = [&](const char* name) {
    const OrderedJson& whole = variables[name];
    std::size_t taken = 0;
    std::size_t refused = whole.size();
    while (refused - taken > 1) {
      const std::size_t middle = taken + (refused - taken) / 2;
      shorter[name] = OrderedJson::array_t(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(middle));
      (refuses() ? refused : taken) = middle;
    }
    return refused - 1;
  };
  shorter["messages"] = {{{"role", "user"}, {"content", "a"}}};
  if (!refuses()) {
    return fmt::format("message {}: ", first_refused("messages"));
  }
  shorter["tools"] = nullptr;
  if (variables["tools"].empty() || refuses()) {
    return {};
  }
  return fmt::format("tool {}: ", first_refused("tools"));
}

OrderedJson JinjaChatTemplate::variables(std::span<const Message> messages, const ChatTemplateOptions& options) const {
  require(!messages.empty(), ErrorKind::invalid_argument, "a conversation needs at least one message");
  return variables_of(special_tokens_, messages_to_json(messages), options);
}

std::string JinjaChatTemplate::render(std::span<const Message> messages, const ChatTemplateOptions& options) const {
  return render_variables(variables(messages, options), options);
}

std::string JinjaChatTemplate::render_json(std::string_view messages, const ChatTemplateOptions& options) const {
  return render_variables(variables_of(special_tokens_, read_messages(messages), options), options);
}

ChatPrompt JinjaChatTemplate::render_guarded(std::span<const Message> messages, const ChatTemplateOptions& options,
                                             std::span<const std::string> special) const {
  const OrderedJson plain = variables(messages, options);
  // Both renderings must tell the time of the same moment.
  ChatTemplateOptions same_moment = options;
  same_moment.now = options.now.value_or(std::chrono::system_clock::now());
  ChatPrompt prompt;
  prompt.text = render_variables(plain, same_moment);
  OrderedJson marked = plain;
  if (!mark_special(marked, special)) {
    return prompt;
  }
  ChatPrompt guarded = take_marks(render_variables(marked, same_moment));
  require(
      prompt.text == guarded.text, ErrorKind::invalid_argument,
      "a message spells one of the model's special tokens, and the chat template does something of its own with it: "
      "take it out of the message");
  return guarded;
}

std::vector<std::string> JinjaChatTemplate::names() const {
  std::vector<std::string> names;
  for (const auto& [name, ignored] : templates_) {
    names.push_back(name);
  }
  return names;
}

std::string_view JinjaChatTemplate::source(std::string_view name) const {
  ChatTemplateOptions options;
  options.name = name;
  return choose(options).source;
}

ChatEncoder::ChatEncoder(std::shared_ptr<const Tokenizer> tokenizer, std::shared_ptr<const ChatTemplate> chat_template)
    : tokenizer_(std::move(tokenizer)), template_(std::move(chat_template)), special_(special_tokens_of(*tokenizer_)) {}

ChatEncoder::Encoded ChatEncoder::encode(std::span<const Message> messages, const ChatTemplateOptions& options) const {
  const auto& jinja = dynamic_cast<const JinjaChatTemplate&>(*template_);
  ChatPrompt prompt = jinja.render_guarded(messages, options, special_);
  EncodeOptions encode_options;
  // The template has written them itself.
  encode_options.add_special_tokens = false;
  encode_options.plain_at = prompt.plain_at;
  Encoded encoded;
  encoded.ids = tokenizer_->encode(prompt.text, encode_options);
  encoded.prompt = std::move(prompt.text);
  return encoded;
}

}  // namespace text

std::shared_ptr<const ChatTemplate> ChatTemplate::load(const std::filesystem::path& directory) {
  return std::make_shared<text::JinjaChatTemplate>(text::read_template_files(directory));
}

std::shared_ptr<const ChatTemplate> ChatTemplate::from_source(std::string_view source,
                                                              std::string_view special_tokens) {
  text::TemplateFiles files;
  files.sources["default"] = source;
  files.special_tokens = text::parse_ordered_json(special_tokens, "special tokens");
  require(files.special_tokens.is_object(), ErrorKind::format, "special tokens must be a JSON object");
  files.where = "this model";
  return std::make_shared<text::JinjaChatTemplate>(std::move(files));
}

}  // namespace dstorch
