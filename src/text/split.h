#pragma once

#include <vector>

#include "core/json.h"
#include "text/piece.h"
#include "text/regex.h"

namespace dstorch::text {

/// What becomes of the text that a delimiter matched.
enum class SplitBehavior { removed, isolated, merged_with_previous, merged_with_next, contiguous };

/// "Removed", "Isolated", ... as tokenizer.json spells them. Throws LMError{format}.
SplitBehavior parse_split_behavior(std::string_view name);

/// A stretch of text that is a delimiter, or what stands between two.
struct Segment {
  Span span;
  bool match = false;
};

/// The pieces that `behavior` makes of `segments`, which cover `piece` from left to right.
void split_segments(const Piece& piece, const std::vector<Segment>& segments, SplitBehavior behavior,
                    const PieceSink& sink);

/// The segments of a text in which every character that `is_delimiter(char32_t)` is a match of its own.
template <typename F>
std::vector<Segment> segments_by_character(std::string_view text, const F& is_delimiter);

/// The segments that the matches of `regex` cut `text` into; `invert` swaps delimiters and the rest.
std::vector<Segment> segments_by_regex(std::string_view text, const Regex& regex, bool invert);

}  // namespace dstorch::text

#include "text/utf8.h"

namespace dstorch::text {

template <typename F>
std::vector<Segment> segments_by_character(std::string_view text, const F& is_delimiter) {
  std::vector<Segment> segments;
  std::size_t open = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t start = at;
    if (is_delimiter(read_utf8(text, at))) {
      if (open < start) {
        segments.push_back({{open, start}, false});
      }
      segments.push_back({{start, at}, true});
      open = at;
    }
  }
  if (open < text.size()) {
    segments.push_back({{open, text.size()}, false});
  }
  return segments;
}

}  // namespace dstorch::text
