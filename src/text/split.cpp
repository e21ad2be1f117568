#include "text/split.h"

#include <algorithm>
#include <optional>

namespace dstorch::text {

SplitBehavior parse_split_behavior(std::string_view name) {
  if (name == "Removed") {
    return SplitBehavior::removed;
  }
  if (name == "Isolated") {
    return SplitBehavior::isolated;
  }
  if (name == "MergedWithPrevious") {
    return SplitBehavior::merged_with_previous;
  }
  if (name == "MergedWithNext") {
    return SplitBehavior::merged_with_next;
  }
  if (name == "Contiguous") {
    return SplitBehavior::contiguous;
  }
  fail(ErrorKind::format,
       "a split's behavior must be Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous, got \"{}\"",
       name);
}

namespace {

// Joins a delimiter to the piece before it, unless a delimiter is there; from right to left, `segments` reversed, to
// the piece after it.
std::vector<Span> merge_matches(const std::vector<Segment>& segments, bool backwards) {
  std::vector<Span> pieces;
  bool previous_match = false;
  const auto step = [&](const Segment& segment) {
    if (segment.match && !previous_match && !pieces.empty()) {
      (backwards ? pieces.back().begin : pieces.back().end) = backwards ? segment.span.begin : segment.span.end;
    } else {
      pieces.push_back(segment.span);
    }
    previous_match = segment.match;
  };
  if (backwards) {
    std::for_each(segments.rbegin(), segments.rend(), step);
    std::reverse(pieces.begin(), pieces.end());
  } else {
    std::for_each(segments.begin(), segments.end(), step);
  }
  return pieces;
}

}  // namespace

void split_segments(const Piece& piece, const std::vector<Segment>& segments, SplitBehavior behavior,
                    const PieceSink& sink) {
  const auto emit = [&](const Span& span) {
    if (span.end > span.begin) {
      sink(piece.part(span.begin, span.end));
    }
  };
  switch (behavior) {
    case SplitBehavior::removed:
      for (const Segment& segment : segments) {
        if (!segment.match) {
          emit(segment.span);
        }
      }
      return;
    case SplitBehavior::isolated:
      for (const Segment& segment : segments) {
        emit(segment.span);
      }
      return;
    case SplitBehavior::contiguous: {
      std::optional<Span> open;
      bool previous_match = false;
      for (const Segment& segment : segments) {
        if (open && segment.match == previous_match) {
          open->end = segment.span.end;
        } else {
          if (open) {
            emit(*open);
          }
          open = segment.span;
        }
        previous_match = segment.match;
      }
      if (open) {
        emit(*open);
      }
      return;
    }
    case SplitBehavior::merged_with_previous:
    case SplitBehavior::merged_with_next:
      for (const Span& span : merge_matches(segments, behavior == SplitBehavior::merged_with_next)) {
        emit(span);
      }
      return;
  }
}

std::vector<Segment> segments_by_regex(std::string_view text, const Regex& regex, bool invert) {
  std::vector<Segment> segments;
  std::size_t open = 0;
  regex.for_each(text, [&](const Span& match) {
    if (open != match.begin) {
      segments.push_back({{open, match.begin}, invert});
    }
    segments.push_back({match, !invert});
    open = match.end;
  });
  if (open != text.size()) {
    segments.push_back({{open, text.size()}, invert});
  }
  return segments;
}

}  // namespace dstorch::text
