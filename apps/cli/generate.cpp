#include "commands.h"
#include "generation_options.h"
#include "help.h"
#include "model_options.h"
#include "values.h"

namespace dstorch::cli {
namespace {

constexpr const char* kConversation = "Conversation";

void add_chat_options(CLI::App& command, GenerateArguments& arguments) {
  command
      .add_flag("--chat", arguments.chat,
                "The prompt is what a user says: answer it as the model was taught to, sampled as its makers chose")
      ->group(kConversation);
  add_text(command, "--messages", arguments.messages, "FILE",
           "A conversation to answer instead of a prompt, a JSON array of messages; - reads standard input")
      ->group(kConversation);
  add_conversation_options(command, arguments.conversation);
}

/// What CLI11 cannot say of these options.
void check_chat(const GenerateArguments& arguments) {
  const bool messages = !arguments.messages.empty();
  const auto refuse = [](bool wrong, const char* why) {
    if (wrong) {
      throw CLI::ValidationError(why);
    }
  };
  refuse((messages || arguments.chat) && !arguments.save_prefix.empty(),
         "--save-prefix is for a PROMPT or --ids as it is, not for a conversation");
  refuse(messages && (arguments.prompt.text || !arguments.prompt.ids.empty()),
         "--messages has the whole conversation; a PROMPT is one too many");
  refuse(arguments.chat && messages, "--chat is for a PROMPT; --messages has the whole conversation");
  refuse(arguments.chat && !arguments.prompt.ids.empty(), "--chat is for a text, not for --ids");
  refuse(messages && !arguments.conversation.system.empty(), "--system is for --chat; --messages has a message for it");
  const auto& more = arguments.conversation;
  const bool asks = !more.system.empty() || !more.tools.empty() || !more.variables.empty();
  refuse(asks && !arguments.chat && !messages, "--system, --tools and --variables are for --chat and --messages");
}

void add_prefix_files(CLI::App& command, GenerateArguments& arguments) {
  constexpr const char* kGroup = "Prompts that were read before";
  add_text(command, "--save-prefix", arguments.save_prefix, "FILE",
           "Write what the model keeps of PROMPT or --ids, for prompts that begin with it")
      ->group(kGroup);
  add_text(command, "--load-prefix", arguments.load_prefix, "FILE",
           "Go on from what --save-prefix wrote with the same model, where the prompt begins with it")
      ->group(kGroup);
}

void add_constraint(CLI::App& command, ConstraintArguments& constraint) {
  constexpr const char* kGroup = "What the answer must be";
  std::vector<CLI::Option*> options = {
      add_text(command, "--json-schema", constraint.json_schema, "FILE-OR-JSON", "JSON of this schema"),
      add_text(command, "--regex", constraint.regex, "R", "A text that this regular expression matches as a whole"),
      add_texts(command, "--choice", constraint.choices, "TEXT", "One of these texts; may be repeated"),
      add_text(command, "--grammar", constraint.grammar, "FILE", "A text of this GBNF grammar")};
  for (auto* option : options) {
    option->group(kGroup);
    for (auto* other : options) {
      if (other != option) {
        option->excludes(other);
      }
    }
  }
}

}  // namespace

void add_generate(CLI::App& app) {
  auto arguments = std::make_shared<GenerateArguments>();
  auto& command = *app.add_subcommand("generate", "Continue a prompt, or answer one")->group(kRunGroup);
  add_prompt(command, arguments->prompt, "The text to continue; left out or -, it is read from standard input",
             "Token ids to continue instead of a text");
  add_chat_options(command, *arguments);
  add_generation_options(command, arguments->generation);
  add_constraint(command, arguments->constraint);
  add_model_options(command, arguments->model);
  add_prefix_cache(command, arguments->model);
  add_draft_model(command, arguments->model);
  add_prefix_files(command, *arguments);
  constexpr const char* kOutput = "Output";
  add_number(command, "-n,--answers", arguments->answers,
             "So many answers, with the seeds SEED, SEED + 1, ...; a line --- is between them, --json has a list")
      ->check(CLI::PositiveNumber)
      ->group(kOutput);
  add_number(command, "--logprobs", arguments->generation.options.logprobs,
             "Record log-probabilities, with this many alternatives (--json)")
      ->group(kOutput);
  command.add_flag("--json", arguments->json, "Print one JSON object instead of the text")->group(kOutput);
  command.footer(
      "Examples:\n  dstorch generate \"python3-yaml\t\" --temperature 0\n"
      "  dstorch generate --chat \"What is a pine?\" -m MODEL");
  command.callback([arguments] {
    check_chat(*arguments);
    if (arguments->messages.empty()) {
      check_prompt(arguments->prompt);
    }
    run(*arguments);
  });
}

}  // namespace dstorch::cli
