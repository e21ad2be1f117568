#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace dstorch {
namespace text::constraint {
class Network;
}

/// What an answer must be: JSON of a schema, a text that a regular expression or a grammar describes, one of a few
/// texts. As `GenerationOptions::constraint` it lets only tokens come after which the answer can still become that, and
/// be complete within max_tokens. Compiled once and kept by content, immutable, cheap to copy, for any threads.
class Constraint {
 public:
  /// White space between the tokens of JSON: bounded lets a space, or a new line with up to 16 spaces, stand where JSON
  /// is usually broken; none is the fewest tokens.
  enum class WhiteSpace { bounded, none };

  /// JSON of a schema (the words of 2020-12 that docs/constraints.md lists). Properties come in the order of the
  /// schema, extra ones after them, no key twice. Throws LMError: format for what is no schema; unsupported, naming it,
  /// for a word, format or combination that is not known here, and for a schema that becomes too large.
  static Constraint json_schema(std::string_view schema, WhiteSpace white_space = WhiteSpace::bounded);
  /// A text that the whole regular expression matches: the syntax that ECMAScript, PCRE and Python share; `.` is
  /// anything but a new line, `\d \w \s` are of ASCII. Throws LMError: format, unsupported (look-around, references).
  static Constraint regex(std::string_view pattern);
  /// One of these texts, none of them empty. Throws LMError{invalid_argument}.
  static Constraint choice(std::span<const std::string> choices);
  /// A text of the rule `root` of a grammar in GBNF, llama.cpp's form. Throws LMError: format; unsupported for a rule
  /// that begins with itself.
  static Constraint grammar(std::string_view gbnf);

  /// Whether a whole text is what is asked.
  [[nodiscard]] bool matches(std::string_view text) const;

  /// For the engine.
  [[nodiscard]] const std::shared_ptr<const text::constraint::Network>& network() const noexcept { return network_; }

 private:
  explicit Constraint(std::shared_ptr<const text::constraint::Network> network) : network_(std::move(network)) {}
  std::shared_ptr<const text::constraint::Network> network_;
};

}  // namespace dstorch
