#pragma once

#include <fmt/core.h>

#include <string>
#include <vector>

#include "arguments.h"
#include "commands.h"
#include "load_model.h"
#include "terminal.h"

namespace dstorch::cli {

/// The texts that a command is given, or the lines of its file or of standard input. Throws LMError: invalid_argument
/// for an empty line, and what reading throws.
std::vector<std::string> texts_of(const TextsArguments& arguments);

/// Calls show(ask(model, text)) for one text after the other, and says meanwhile where it is.
template <typename Ask, typename Show>
void each_text(const TextsArguments& given, const ModelArguments& which, const Ask& ask, const Show& show) {
  const auto texts = texts_of(given);
  const auto cancel = interrupt_token();
  const auto model = load_model(which);
  StatusLine line;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    line.show(fmt::format("text {} of {}", i + 1, texts.size()));
    const auto answer = ask(*model, texts[i]);
    if (cancel.cancelled()) {
      throw Interrupted();
    }
    line.clear();
    show(answer);
  }
}

}  // namespace dstorch::cli
