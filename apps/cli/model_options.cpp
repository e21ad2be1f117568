#include "model_options.h"

#include <fmt/core.h>

#include "dstorch/error.h"
#include "values.h"

namespace dstorch::cli {

namespace {

constexpr const char* kModelGroup = "Model";

void add_kv_memory(CLI::App& command, ModelArguments& arguments) {
  add_value(command, "--kv-memory", "SIZE", "Most memory for keys and values, as in 500M or 2G; calls wait for it",
            [&arguments](const std::string& option, const std::string& text) {
              arguments.kv_memory = parse_size(option, text);
            })
      ->group(kModelGroup);
}

}  // namespace

void add_model(CLI::App& command, ModelArguments& arguments, const std::string& help) {
  add_text(command, "-m,--model", arguments.model, "MODEL", help)->group(kModelGroup);
}

void add_device(CLI::App& command, std::string& device) {
  add_text(command, "--device", device, "DEVICE", "cpu, cuda, cuda:N, webgl, or auto, the best there is")
      ->group(kModelGroup);
}

void add_dtype(CLI::App& command, std::optional<DType>& dtype, const std::string& help) {
  add_value(command, "--dtype", "TYPE", help, [&dtype](const std::string& option, const std::string& text) {
    dtype = parse_dtype(text);
    if (dtype != DType::float32 && dtype != DType::bfloat16 && dtype != DType::float16 && dtype != DType::float64) {
      throw LMError(ErrorKind::invalid_argument,
                    fmt::format("{} must be float32, bfloat16, float16 or float64, got \"{}\"", option, text));
    }
  })->group(kModelGroup);
}

void add_kv_dtype(CLI::App& command, std::optional<KvDType>& kv_dtype) {
  add_value(command, "--kv-dtype", "TYPE", "Keep keys and values in float32, bfloat16, float16 or q8",
            [&kv_dtype](const std::string& option, const std::string& text) {
              kv_dtype = parse_kv_dtype(text);
              if (!kv_dtype) {
                throw LMError(ErrorKind::invalid_argument,
                              fmt::format("{} must be float32, bfloat16, float16 or q8, got \"{}\"", option, text));
              }
            })
      ->group(kModelGroup);
}

void add_threads(CLI::App& command, int& threads) {
  add_number(command, "--threads", threads, "Threads to compute with; 0 is one for each core")->group(kModelGroup);
}

void add_memory_limit(CLI::App& command, int64_t& limit) {
  add_value(command, "--memory-limit", "SIZE",
            "Most memory for tensors, as in 500M or 2G; what would pass it fails before it allocates",
            [&limit](const std::string& option, const std::string& text) { limit = parse_size(option, text); })
      ->group(kModelGroup);
}

void add_model_options(CLI::App& command, ModelArguments& arguments) {
  add_model(command, arguments,
            "Model directory, or a .pt/.pth/.bin/.safetensors file; the bundled model when left out");
  add_text(command, "--tokenizer", arguments.tokenizer, "PATH",
           "Tokenizer file or directory, instead of the model's own")
      ->group(kModelGroup);
  add_text(command, "--adapter", arguments.adapter, "DIR", "Run the model with a LoRA adapter, in PEFT's format")
      ->group(kModelGroup);
  add_device(command, arguments.device);
  add_dtype(command, arguments.dtype, "Convert the weights to float32, bfloat16, float16 or float64");
  add_threads(command, arguments.threads);
  add_number(command, "--context", arguments.context, "Most positions of a sequence; 0 is the model's limit")
      ->group(kModelGroup);
  add_memory_limit(command, arguments.memory_limit);
  add_kv_dtype(command, arguments.kv_dtype);
  add_kv_memory(command, arguments);
  command
      .add_flag("--copy-weights", arguments.copy_weights,
                "Read the weights into memory instead of mapping the file, which may then change")
      ->group(kModelGroup);
  command
      .add_flag("--allow-scripts", arguments.allow_scripts,
                "Run a model that is a TorchScript archive: a program, which can read and write your files")
      ->group(kModelGroup);
}

void add_prefix_cache(CLI::App& command, ModelArguments& arguments) {
  command
      .add_flag("--no-prefix-cache", arguments.no_prefix_cache,
                "Compute each prompt from its beginning, instead of finding what was computed before")
      ->group(kModelGroup);
}

void add_draft_model(CLI::App& command, ModelArguments& arguments) {
  add_text(command, "--draft-model", arguments.draft_model, "DIR",
           "A smaller model of the same vocabulary, which guesses answers ahead. The text is the same")
      ->group(kModelGroup);
}

void add_prompt(CLI::App& command, PromptArguments& prompt, const std::string& text_help, const std::string& ids_help) {
  auto* text = add_value(command, "PROMPT", "", text_help,
                         [&prompt](const std::string&, const std::string& given) { prompt.text = given; });
  add_value(command, "--ids", "1,2,3", ids_help,
            [&prompt](const std::string& option, const std::string& given) { prompt.ids = parse_ids(option, given); })
      ->excludes(text)
      ->group("Instead of a text");
}

void add_text_list(CLI::App& command, TextsArguments& texts) {
  auto* given = add_texts(command, "TEXT", texts.given, "", "The texts; without any, the lines of standard input");
  given->expected(CLI::detail::expected_max_vector_size);
  add_text(command, "--file", texts.file, "LINES", "A file of one text a line instead; - is standard input")
      ->excludes(given);
}

void check_texts(const TextsArguments& texts) {
  if (texts.given.empty() && texts.file.empty() && stdin_is_terminal()) {
    throw CLI::RequiredError("TEXT, --file, or lines on standard input");
  }
}

void check_prompt(const PromptArguments& prompt) {
  if (!prompt.text && prompt.ids.empty() && stdin_is_terminal()) {
    throw CLI::RequiredError("PROMPT, --ids, or a text on standard input");
  }
}

}  // namespace dstorch::cli
