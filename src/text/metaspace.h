#pragma once

#include <string>
#include <string_view>

#include "core/json.h"

namespace dstorch::text {

/// What Metaspace, as a pre-tokenizer and as a decoder, has for options.
struct MetaspaceOptions {
  enum class Prepend { always, first, never };

  /// Stands for a space; one character.
  std::string replacement = "\u2581";
  Prepend prepend = Prepend::always;
  /// Pre-tokenizer only: cut before each `replacement`.
  bool split = true;
};

/// Throws LMError{format}.
MetaspaceOptions parse_metaspace(const Json& json, std::string_view where);

/// The regular expression of {"pattern": {"String": ...}} or {"pattern": {"Regex": ...}}. Throws LMError{format}.
std::string parse_pattern(const Json& json, std::string_view where);

}  // namespace dstorch::text
