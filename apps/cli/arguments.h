#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "dstorch/finetune.h"
#include "dstorch/generation.h"
#include "dstorch/train.h"

namespace dstorch::cli {

/// The options that every command which runs a model has.
struct ModelArguments {
  std::string model;
  std::string tokenizer;
  std::string device = "cpu";
  std::optional<DType> dtype;
  int threads = 0;
  int64_t context = 0;
  int64_t memory_limit = 0;
  std::optional<KvDType> kv_dtype;
  int64_t kv_memory = 0;
  bool no_prefix_cache = false;
  std::string draft_model;
  bool allow_scripts = false;
  bool copy_weights = false;
  std::string adapter;
};

/// A text or token ids; a text that is not given, or "-", is read from standard input.
struct PromptArguments {
  std::optional<std::string> text;
  std::vector<int64_t> ids;
};

/// How to generate: what was said on the command line, and what is said nowhere.
struct GenerationArguments {
  GenerationOptions options;
  std::string speculation = "automatic";
  /// "--temperature": the options that were given, of those that a model's makers have a say in.
  std::set<std::string> said;
};

/// What a conversation has beside its messages.
struct ConversationArguments {
  std::string system;
  std::string tools;
  std::string variables;
};

/// What the answer must be; at most one of them.
struct ConstraintArguments {
  std::string json_schema;  // the schema, or a file that holds it
  std::string regex;
  std::vector<std::string> choices;
  std::string grammar;  // a file
};

struct GenerateArguments {
  ModelArguments model;
  PromptArguments prompt;
  GenerationArguments generation;
  /// The prompt is what a user says.
  bool chat = false;
  /// A file with a conversation, instead of a prompt.
  std::string messages;
  ConversationArguments conversation;
  ConstraintArguments constraint;
  /// Files of prefixes: read before the prompt, and written of it.
  std::string load_prefix;
  std::string save_prefix;
  /// How many; unset is one, which is not in a list.
  std::optional<int64_t> answers;
  bool json = false;
};

struct ChatArguments {
  ModelArguments model;
  GenerationArguments generation;
  ConversationArguments conversation;
};

struct LogitsArguments {
  ModelArguments model;
  PromptArguments prompt;
  bool json = false;
};

/// Several texts: given, or the lines of a file ("-" is standard input).
struct TextsArguments {
  std::vector<std::string> given;
  std::string file;
};

struct EmbedArguments {
  ModelArguments model;
  TextsArguments texts;
  bool json = false;
};

struct ClassifyArguments {
  ModelArguments model;
  TextsArguments texts;
  bool json = false;
};

struct PerplexityArguments {
  ModelArguments model;
  std::string file;
  bool json = false;
};

struct PlanArguments {
  ModelArguments model;
  int64_t batch = 0;
  std::string train;
  std::string bfloat16 = "auto";
  int64_t lora_rank = 8;
  bool checkpointing = false;
  bool json = false;
};

struct DevicesArguments {
  ModelArguments model;
  bool fallbacks = false;
  bool json = false;
};

struct BenchArguments {
  ModelArguments model;
  int64_t prompt_tokens = 512;
  int64_t max_tokens = 64;
  int64_t repetitions = 3;
  int64_t streams = 1;
  bool json = false;
};

struct FinetuneArguments {
  FinetuneOptions options;
  std::string model;
  std::string data;
  std::string output;
  std::string held_out;
  std::string save_dtype;
  std::string schedule = "linear";
  std::string bfloat16 = "auto";
  std::vector<std::string> targets;
  bool fresh = false;
  int64_t log_every = 20;
};

struct MergeArguments {
  MergeOptions options;
  std::string model;
  std::string adapter;
  std::string output;
  std::string dtype;
};

struct TrainArguments {
  TrainOptions options;
  std::string held_out;
  std::string save_dtype = "float32";
  std::string device = "cpu";
  std::string bfloat16 = "auto";
  bool fresh = false;
  int64_t log_every = 20;
};

}  // namespace dstorch::cli
