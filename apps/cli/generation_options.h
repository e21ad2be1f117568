#pragma once

#include "commands.h"

namespace dstorch::cli {

/// The options that a model's makers have a say in.
inline constexpr const char* kMakersOptions[] = {"--temperature", "--top-k", "--top-p", "--min-p",
                                                 "--repetition-penalty"};

/// Adds --max-tokens, --stop, --ignore-eos, the options that choose tokens and --speculation.
void add_generation_options(CLI::App& command, GenerationArguments& arguments);

/// The options, and where none was given, what a model's makers chose.
GenerationOptions with_defaults(const GenerationArguments& arguments, const GenerationOptions& makers);

/// Adds --system, --tools and --variables.
void add_conversation_options(CLI::App& command, ConversationArguments& arguments);

}  // namespace dstorch::cli
