#include "text/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <utility>

#include "core/throw.h"
#include "text/regex_classes.h"
#include "text/utf8.h"

namespace dstorch::text {
namespace {

constexpr std::size_t kMaxPattern = std::size_t{1} << 16;
// Most matches end within a few bytes. These are looked for in a window so small that no pattern can take long there;
// what needs more, a long match or a far look ahead, is left to code that asks the budget at each step.
constexpr std::size_t kWindow = 256;
constexpr uint32_t kNearMatchLimit = 1000;
constexpr uint32_t kNearHeapLimitKib = 1024;
constexpr std::string_view kTooLong = "it takes longer than a second and two microseconds a byte";
constexpr uint32_t kMatchLimit = 20'000'000;
constexpr uint32_t kHeapLimitKib = 256 * 1024;
constexpr std::size_t kJitStackStart = 32 * 1024;
constexpr std::size_t kJitStackMost = 8 * 1024 * 1024;

std::string pcre2_message(int error) {
  PCRE2_UCHAR buffer[256] = {};
  pcre2_get_error_message(error, buffer, sizeof(buffer));
  return reinterpret_cast<const char*>(buffer);
}

// What matching needs beside the pattern: one set per thread, as PCRE2 asks for.
class MatchWorkspace {
 public:
  MatchWorkspace()
      : near_(pcre2_match_context_create(nullptr)),
        anywhere_(pcre2_match_context_create(nullptr)),
        stack_(pcre2_jit_stack_create(kJitStackStart, kJitStackMost, nullptr)),
        data_(pcre2_match_data_create(1, nullptr)) {
    require(near_ != nullptr && anywhere_ != nullptr && stack_ != nullptr && data_ != nullptr, ErrorKind::out_of_memory,
            "no memory for matching a pattern");
    pcre2_set_match_limit(near_, kNearMatchLimit);
    pcre2_set_heap_limit(near_, kNearHeapLimitKib);
    pcre2_jit_stack_assign(near_, nullptr, stack_);
    pcre2_set_match_limit(anywhere_, kMatchLimit);
    pcre2_set_heap_limit(anywhere_, kHeapLimitKib);
    pcre2_set_callout(
        anywhere_, [](pcre2_callout_block*, void*) { return MatchBudget::spent() ? PCRE2_ERROR_CALLOUT : 0; }, nullptr);
    pcre2_jit_stack_assign(anywhere_, nullptr, stack_);
  }
  MatchWorkspace(const MatchWorkspace&) = delete;
  MatchWorkspace& operator=(const MatchWorkspace&) = delete;
  ~MatchWorkspace() {
    pcre2_match_data_free(data_);
    pcre2_jit_stack_free(stack_);
    pcre2_match_context_free(anywhere_);
    pcre2_match_context_free(near_);
  }

  static MatchWorkspace& of_this_thread() {
    thread_local MatchWorkspace workspace;
    return workspace;
  }

  [[nodiscard]] pcre2_match_context* near() const noexcept { return near_; }
  [[nodiscard]] pcre2_match_context* anywhere() const noexcept { return anywhere_; }
  [[nodiscard]] pcre2_match_data* data() const noexcept { return data_; }

 private:
  pcre2_match_context* near_;
  pcre2_match_context* anywhere_;
  pcre2_jit_stack* stack_;
  pcre2_match_data* data_;
};

}  // namespace

namespace {

// What the one pair kept says; a result of 0 says that there are groups beyond it. A lookahead with \K can move the
// start behind the end, or before `from`.
Span found(pcre2_match_data* data, std::size_t from) {
  const PCRE2_SIZE* pair = pcre2_get_ovector_pointer(data);
  const std::size_t end = std::max<std::size_t>(pair[1], from);
  return {std::clamp<std::size_t>(pair[0], from, end), end};
}

}  // namespace

bool compiles_in_pcre2(std::string_view pattern) {
  int error = 0;
  PCRE2_SIZE offset = 0;
  const std::unique_ptr<pcre2_code, decltype(&pcre2_code_free)> code(
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), PCRE2_UTF | PCRE2_UCP, &error,
                    &offset, nullptr),
      pcre2_code_free);
  return code != nullptr;
}

struct Regex::Code {
  explicit Code(pcre2_code* compiled) : code(compiled) {}
  Code(const Code&) = delete;
  Code& operator=(const Code&) = delete;
  ~Code() { pcre2_code_free(code); }
  pcre2_code* code;
};

Regex::Regex(std::string_view pattern) : pattern_(pattern) {
  require(pattern.size() <= kMaxPattern, ErrorKind::unsupported, "a pattern must have at most {} bytes, got {}",
          kMaxPattern, pattern.size());
  const std::string translated = translate_regex(pattern);
  const std::unique_ptr<pcre2_compile_context, decltype(&pcre2_compile_context_free)> context(
      pcre2_compile_context_create(nullptr), pcre2_compile_context_free);
  require(context != nullptr, ErrorKind::out_of_memory, "no memory for a pattern");
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  const auto compile = [&](uint32_t more_options, uint32_t machine_code) {
    // In Oniguruma ^ and $ are always about lines.
    constexpr uint32_t kOptions = PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C;
    int error = 0;
    PCRE2_SIZE offset = 0;
    pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                                     kOptions | more_options, &error, &offset, context.get());
    require(code != nullptr, ErrorKind::format,
            "the pattern \"{}\" must be a regular expression: {} at byte {} of \"{}\"", pattern.substr(0, 200),
            pcre2_message(error), offset, translated.substr(0, 200));
    auto owned = std::make_unique<Code>(code);
    // Fails where the processor or the system forbids machine code; matching then interprets.
    pcre2_jit_compile(code, machine_code);
    return owned;
  };
  near_ = compile(0, PCRE2_JIT_COMPLETE | PCRE2_JIT_PARTIAL_HARD);
  anywhere_ = compile(PCRE2_AUTO_CALLOUT, PCRE2_JIT_COMPLETE);
  // \G is where a search began.
  windows_ = translated.find("\\G") == std::string::npos;
}

Regex::~Regex() = default;
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;

bool Regex::find(std::string_view text, std::size_t from, Span& match) const {
  const MatchBudget budget(text.size());
  if (windows_) {
    const Answer answer = find_near(text, from, match);
    if (answer != Answer::unknown) {
      return answer == Answer::match;
    }
  }
  return find_anywhere(text, from, match);
}

// Looks at one window after the other; `from` moves past those in which no match begins. Unknown where the answer needs
// what is behind the window, which PCRE2 calls a partial match, or more steps.
Regex::Answer Regex::find_near(std::string_view text, std::size_t& from, Span& match) const {
  const MatchWorkspace& workspace = MatchWorkspace::of_this_thread();
  while (true) {
    if (MatchBudget::spent()) {
      fail_match(text, kTooLong);
    }
    std::size_t end = std::min(text.size(), from + kWindow);
    while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) {
      ++end;
    }
    const bool last = end == text.size();
    const int result =
        pcre2_match(near_->code, reinterpret_cast<PCRE2_SPTR>(text.data()), end, from,
                    PCRE2_NO_UTF_CHECK | (last ? 0 : PCRE2_PARTIAL_HARD), workspace.data(), workspace.near());
    if (result == PCRE2_ERROR_NOMATCH) {
      if (last) {
        return Answer::none;
      }
      from = end;
      continue;
    }
    if (result < 0) {
      return Answer::unknown;
    }
    match = found(workspace.data(), from);
    // PCRE2 calls no match partial that has not looked at any character yet: an empty one at the very end.
    return last || match.end < end ? Answer::match : Answer::unknown;
  }
}

bool Regex::find_anywhere(std::string_view text, std::size_t from, Span& match) const {
  const MatchWorkspace& workspace = MatchWorkspace::of_this_thread();
  const auto run = [&](uint32_t options) {
    return pcre2_match(anywhere_->code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from,
                       PCRE2_NO_UTF_CHECK | options, workspace.data(), workspace.anywhere());
  };
  int result = run(0);
  if (result == PCRE2_ERROR_JIT_STACKLIMIT) {
    result = run(PCRE2_NO_JIT);
  }
  if (result == PCRE2_ERROR_NOMATCH) {
    return false;
  }
  if (result < 0) {
    fail_match(text, result == PCRE2_ERROR_CALLOUT ? kTooLong : pcre2_message(result));
  }
  match = found(workspace.data(), from);
  return true;
}

void Regex::fail_match(std::string_view text, std::string_view why) const {
  fail(ErrorKind::unsupported, "the pattern \"{}\" cannot be matched on {} bytes of text: {}",
       std::string_view(pattern_).substr(0, 200), text.size(), why);
}

std::size_t Regex::next_character(std::string_view text, std::size_t at) noexcept {
  return at < text.size() ? at + utf8_length(text[at]) : at + 1;
}

std::string Regex::escape(std::string_view text) {
  constexpr std::string_view kSpecial = "\\^$.[]|()?*+{}-#&~ \t\n\r\f\v/";
  std::string out;
  for (const char c : text) {
    if (kSpecial.find(c) != std::string_view::npos && c > ' ') {
      out.push_back('\\');
    }
    out.push_back(c);
  }
  return out;
}

}  // namespace dstorch::text
