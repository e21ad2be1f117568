#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "core/json.h"

namespace dstorch::text {

/// A model's chat templates, by name, and the special tokens they may use.
struct TemplateFiles {
  /// "default", "tool_use", "rag", ...
  std::map<std::string, std::string> sources;
  /// "bos_token": "<s>" and so on, as transformers gives them to a template.
  OrderedJson special_tokens = OrderedJson::object();
  /// Where the templates were, for errors.
  std::string where;
};

/// Of the directory with a model's tokenizer files. Throws LMError: not_found without a template, format.
TemplateFiles read_template_files(const std::filesystem::path& directory);

}  // namespace dstorch::text
