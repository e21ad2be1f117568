#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace dstorch::text::jinja {

struct Token {
  enum class Type : uint8_t {
    data,            ///< Text between tags.
    variable_begin,  ///< {{
    variable_end,
    block_begin,  ///< {%
    block_end,
    name,
    string,  ///< `text` is what the literal says.
    integer,
    real,
    op,  ///< `text` is the operator.
    end,
  };
  Type type = Type::end;
  int line = 1;
  std::string text;
};

/// Line breaks as "\n", without the last one: what the lexer and Jinja's line numbers go by.
std::string normalize_source(std::string_view source);

/// The tokens of a normalized source, with the white space around tags cut as `trim_blocks` and `lstrip_blocks` say;
/// the last one is `end`. `name` is the template's in errors. Throws LMError{format}.
std::vector<Token> tokenize(std::string_view source, std::string_view name);

/// Throws LMError{format}: "NAME, line LINE: MESSAGE".
[[noreturn]] void fail_syntax(std::string_view name, int line, std::string_view message);

}  // namespace dstorch::text::jinja
