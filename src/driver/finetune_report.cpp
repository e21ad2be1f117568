#include "driver/finetune_report.h"

#include <fmt/core.h>

#include <algorithm>

#include "core/atomic_file.h"
#include "dstorch/torch_model.h"

namespace dstorch::driver {
namespace {

/// Tokens more than the wanted answer has, so that one that goes on shows.
constexpr int64_t kMoreTokens = 16;
/// Characters of a cell.
constexpr std::size_t kLongestCell = 400;

std::vector<std::string> answers_of(TorchModelConfig config, const std::vector<training::Example>& examples) {
  config.dtype = std::nullopt;
  TorchModel model(config);
  model.init();
  const auto limit = model.info().max_context;
  std::vector<PendingGeneration> pending;
  for (const auto& example : examples) {
    const auto prompt =
        static_cast<int64_t>(std::find(example.learned.begin(), example.learned.end(), true) - example.learned.begin());
    GenerationOptions options;
    options.temperature = 0;
    options.max_tokens = std::min(example.length() - prompt + kMoreTokens, limit - prompt);
    const std::vector<int64_t> ids(example.ids.begin(), example.ids.begin() + prompt);
    pending.push_back(model.submit(ids, options));
  }
  std::vector<std::string> answers;
  for (auto& generation : pending) {
    answers.push_back(generation.wait().text);
  }
  return answers;
}

std::vector<std::string> classes_of(TorchModelConfig config, const std::vector<training::Example>& examples) {
  TorchModel model(std::move(config));
  model.init();
  std::vector<std::string> answers(examples.size(), "–");
  if (model.info().classes.empty()) {
    return answers;  // it told no classes apart
  }
  for (std::size_t i = 0; i < examples.size(); ++i) {
    const auto best = model.classify(examples[i].prompt).front();
    answers[i] = fmt::format("{} ({:.0f} %)", best.name, 100 * best.probability);
  }
  return answers;
}

/// Text in one line of a Markdown table.
std::string cell(const std::string& text) {
  std::string result;
  for (const char c : text.substr(0, kLongestCell)) {
    if (c == '\n') {
      result += "<br>";
    } else if (c == '|' || c == '<' || c == '>' || c == '`' || c == '*' || c == '_' || c == '\\') {
      result += fmt::format("&#{};", static_cast<int>(c));
    } else {
      result += c == '\t' || c == '\r' ? ' ' : c;
    }
  }
  // Not in the middle of a character.
  while (text.size() > kLongestCell && !result.empty() &&
         (static_cast<unsigned char>(result.back()) & 0xC0U) == 0x80U) {
    result.pop_back();
  }
  return text.size() > kLongestCell ? result + "…" : result;
}

std::string score_row(const char* name, const std::optional<double>& before, const std::optional<double>& after,
                      double factor, const char* unit) {
  const auto show = [&](const std::optional<double>& value) {
    return value ? fmt::format("{:.4g}{}", *value * factor, unit) : std::string("–");
  };
  return fmt::format("| {} | {} | {} |\n", name, show(before), show(after));
}

std::optional<double> right_of(const std::optional<HeldOutScores>& scores) {
  return scores ? scores->right : std::nullopt;
}

std::optional<double> loss_of(const std::optional<HeldOutScores>& scores) {
  return scores ? std::optional(scores->loss) : std::nullopt;
}

}  // namespace

std::vector<ComparedAnswer> compare_answers(const FinetuneOptions& options,
                                            const std::vector<training::Example>& held_out) {
  std::vector<training::Example> chosen;
  for (const auto& example : held_out) {
    if (!example.prompt.empty() && static_cast<int64_t>(chosen.size()) < options.report_answers) {
      chosen.push_back(example);
    }
  }
  if (chosen.empty()) {
    return {};
  }
  TorchModelConfig config;
  config.model_path = options.model;
  config.threads = options.threads;
  const auto answers_now = [&] {
    return chosen.front().label ? classes_of(config, chosen) : answers_of(config, chosen);
  };
  const auto before = answers_now();
  if (options.full) {
    config.model_path = options.output;
  } else {
    config.adapter = options.output;
  }
  const auto after = answers_now();
  std::vector<ComparedAnswer> answers;
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    answers.push_back({chosen[i].prompt, chosen[i].completion, before[i], after[i]});
  }
  return answers;
}

void write_report(const FinetuneOptions& options, const std::vector<std::pair<std::string, std::string>>& facts,
                  const FinetuneResult& result, const std::vector<ComparedAnswer>& answers) {
  auto text = fmt::format("# {}\n\n| | |\n|---|---|\n", cell(options.output.filename().string()));
  for (const auto& [name, value] : facts) {
    text += fmt::format("| {} | {} |\n", name, cell(value));
  }
  text += "\n![loss by step](loss.svg)\n\n";
  if (result.after) {
    text += "| held out | before | after |\n|---|---|---|\n";
    text += score_row("loss", loss_of(result.before), loss_of(result.after), 1, "");
    if (result.after->right) {
      text += score_row("answered right", right_of(result.before), right_of(result.after), 100, " %");
    }
    text += "\n";
  }
  if (!answers.empty()) {
    text += "## Held-out answers\n\n| given | wanted | before | after |\n|---|---|---|---|\n";
    for (const auto& answer : answers) {
      text += fmt::format("| {} | {} | {} | {} |\n", cell(answer.prompt), cell(answer.wanted), cell(answer.before),
                          cell(answer.after));
    }
  }
  write_file(options.output / "report.md", text);
}

}  // namespace dstorch::driver
