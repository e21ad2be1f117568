#pragma once

#include <cstddef>
#include <string_view>

namespace dstorch {

/// What parsing a JSON text costs: nlohmann's parsers recurse or look through lists for what a text nests or repeats.
struct JsonShape {
  int depth = 0;            ///< objects and arrays around the innermost value
  std::size_t members = 0;  ///< the most members of one object
};

/// Of a text that need not be valid JSON. One pass, which keeps what is open and nothing else; past `most_depth` it
/// stops.
JsonShape json_shape(std::string_view text, int most_depth);

/// Throws LMError{format} for a text that nests deeper than kMaxJsonDepth.
JsonShape check_json_depth(std::string_view text, std::string_view where);

}  // namespace dstorch
