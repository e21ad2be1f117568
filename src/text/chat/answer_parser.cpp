// Taking an answer apart while it comes.
#include <algorithm>
#include <utility>

#include "dstorch/chat.h"
#include "text/chat/tool_calls.h"

namespace dstorch {
namespace {

using Kind = AnswerPiece::Kind;

constexpr std::string_view kSpace = " \t\r\n";

// The most bytes at the end of `text` with which `mark` could begin.
std::size_t open_end(std::string_view text, std::string_view mark) {
  for (std::size_t size = std::min(text.size(), mark.empty() ? 0 : mark.size() - 1); size > 0; --size) {
    if (mark.starts_with(text.substr(text.size() - size))) {
      return size;
    }
  }
  return 0;
}

}  // namespace

struct AnswerParser::State {
  enum class Mode { text, reasoning, call };

  explicit State(AnswerFormat answer_format) : format(std::move(answer_format)) {
    const auto begins_with = [this](std::string_view wanted) { begins += wanted.substr(0, 1); };
    begins_with(call_mark());
    begins_with(format.reasoning_begin);
    for (const std::string& dropped : format.dropped) {
      if (begins.find(dropped.substr(0, 1)) == std::string::npos) {
        begins_with(dropped);
      }
    }
    reset();
  }

  void reset() {
    mode = format.begins_reasoning ? Mode::reasoning : Mode::text;
    held.clear();
    mark.clear();
    said = false;
    skips_space = true;
  }

  AnswerFormat format;
  /// The bytes that marks begin with: some models have thousands to drop.
  std::string begins;
  Mode mode = Mode::text;
  std::string held;
  /// What opened the call that is being read.
  std::string mark;
  /// Something was said already, so the answer as a whole is no call.
  bool said = false;
  /// White space behind a mark is layout.
  bool skips_space = true;
  std::vector<AnswerPiece> pieces;

  void run(bool last) {
    while (step(last)) {
    }
  }

  std::vector<AnswerPiece> take() { return std::exchange(pieces, {}); }

 private:
  // One mark, or the text up to where one may begin; whether to look again.
  bool step(bool last) {
    switch (mode) {
      case Mode::text:
        return text_step(last);
      case Mode::reasoning:
        return reasoning_step(last);
      case Mode::call:
        return call_step(last);
    }
    return false;
  }

  [[nodiscard]] std::string_view call_mark() const {
    switch (format.tool_calls) {
      case ToolCallFormat::hermes:
        return "<tool_call>";
      case ToolCallFormat::llama3:
        return "<|python_tag|>";
      case ToolCallFormat::mistral:
        return "[TOOL_CALLS]";
      default:
        return {};
    }
  }

  // What ends a call; the end of the answer does too.
  [[nodiscard]] std::string_view call_end() const {
    return format.tool_calls == ToolCallFormat::hermes ? "</tool_call>"
           : mark == "[TOOL_CALLS]"                    ? "[TOOL_CALLS]"
                                                       : std::string_view();
  }

  // An answer that begins with JSON is a call as a whole, or none.
  bool whole_call() {
    if (said || (format.tool_calls != ToolCallFormat::llama3 && format.tool_calls != ToolCallFormat::json)) {
      return false;
    }
    const std::size_t first = held.find_first_not_of(kSpace);
    if (first == std::string::npos || (held[first] != '{' && held[first] != '[')) {
      return false;
    }
    held.erase(0, first);  // layout, as before any other text
    mode = Mode::call;
    return true;
  }

  bool text_step(bool last) {
    if (whole_call()) {
      return true;
    }
    if (held.find_first_of(begins) == std::string::npos) {
      say(Kind::text, held.size());
      return false;
    }
    struct Found {
      std::size_t at;
      std::string_view mark;
    };
    Found first{std::string::npos, {}};
    std::size_t open = 0;
    const auto look = [&](std::string_view wanted) {
      const std::size_t at = wanted.empty() ? std::string::npos : held.find(wanted);
      if (at < first.at) {
        first = {at, wanted};
      }
      open = std::max(open, open_end(held, wanted));
    };
    look(call_mark());
    look(format.reasoning_begin);
    for (const std::string& dropped : format.dropped) {
      look(dropped);
    }
    if (first.at == std::string::npos) {
      say(Kind::text, last ? held.size() : held.size() - open);
      return false;
    }
    const std::string found(first.mark);
    say(Kind::text, first.at);
    held.erase(0, found.size());
    if (found == call_mark()) {
      mode = Mode::call;
      mark = found;
    } else if (found == format.reasoning_begin) {
      mode = Mode::reasoning;
      skips_space = true;
    }
    return true;
  }

  bool reasoning_step(bool last) {
    const std::size_t end = held.find(format.reasoning_end);
    if (end == std::string::npos) {
      say(Kind::reasoning, last ? held.size() : held.size() - open_end(held, format.reasoning_end));
      return false;
    }
    say(Kind::reasoning, end);
    held.erase(0, format.reasoning_end.size());
    mode = Mode::text;
    skips_space = true;
    return true;
  }

  bool call_step(bool last) {
    const std::string_view end_mark = call_end();
    const std::size_t end = end_mark.empty() ? std::string::npos : held.find(end_mark);
    if (end == std::string::npos && !last) {
      return false;
    }
    const std::size_t size = std::min(end, held.size());
    const bool closed = end != std::string::npos && end_mark.starts_with("</");
    std::string content = held.substr(0, size);
    for (const std::string& dropped : format.dropped) {
      for (std::size_t at = content.find(dropped); at != std::string::npos && !dropped.empty();
           at = content.find(dropped)) {
        content.erase(at, dropped.size());
      }
    }
    held.erase(0, size + (closed ? end_mark.size() : 0));
    mode = Mode::text;
    if (auto calls = text::read_calls(content, format.tool_calls)) {
      for (ToolCall& call : *calls) {
        pieces.push_back({Kind::tool_call, {}, std::move(call)});
      }
      skips_space = true;
    } else {
      // No call: the model's own words, with the marks around them.
      add(Kind::text, mark + content + (closed ? std::string(end_mark) : std::string()));
    }
    said = true;
    mark.clear();
    return !held.empty();
  }

  // Hands out the first `size` bytes of what is held.
  void say(Kind kind, std::size_t size) {
    std::string text = held.substr(0, size);
    held.erase(0, size);
    if (skips_space) {
      text.erase(0, std::min(text.find_first_not_of(kSpace), text.size()));
    }
    add(kind, std::move(text));
  }

  void add(Kind kind, std::string text) {
    if (text.empty()) {
      return;
    }
    skips_space = false;
    said = said || kind == Kind::text;
    pieces.push_back({kind, std::move(text), {}});
  }
};

AnswerParser::AnswerParser(AnswerFormat format) : state_(std::make_unique<State>(std::move(format))) {}
AnswerParser::~AnswerParser() = default;
AnswerParser::AnswerParser(AnswerParser&&) noexcept = default;
AnswerParser& AnswerParser::operator=(AnswerParser&&) noexcept = default;

std::vector<AnswerPiece> AnswerParser::push(std::string_view text) {
  state_->held += text;
  state_->run(false);
  return state_->take();
}

std::vector<AnswerPiece> AnswerParser::finish() {
  state_->run(true);
  std::vector<AnswerPiece> pieces = state_->take();
  state_->reset();
  return pieces;
}

}  // namespace dstorch
