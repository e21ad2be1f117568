#include "text/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <utility>

#include "core/throw.h"
#include "text/utf8.h"

namespace dstorch::text {
namespace {

constexpr std::size_t kMaxPattern = std::size_t{1} << 16;
// Enough for every pattern in use on megabytes of text; a hostile one fails within a second.
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
      : context_(pcre2_match_context_create(nullptr)),
        stack_(pcre2_jit_stack_create(kJitStackStart, kJitStackMost, nullptr)),
        data_(pcre2_match_data_create(1, nullptr)) {
    require(context_ != nullptr && stack_ != nullptr && data_ != nullptr, ErrorKind::out_of_memory,
            "no memory for matching a pattern");
    pcre2_set_match_limit(context_, kMatchLimit);
    pcre2_set_heap_limit(context_, kHeapLimitKib);
    pcre2_jit_stack_assign(context_, nullptr, stack_);
  }
  MatchWorkspace(const MatchWorkspace&) = delete;
  MatchWorkspace& operator=(const MatchWorkspace&) = delete;
  ~MatchWorkspace() {
    pcre2_match_data_free(data_);
    pcre2_jit_stack_free(stack_);
    pcre2_match_context_free(context_);
  }

  static MatchWorkspace& of_this_thread() {
    thread_local MatchWorkspace workspace;
    return workspace;
  }

  [[nodiscard]] pcre2_match_context* context() const noexcept { return context_; }
  [[nodiscard]] pcre2_match_data* data() const noexcept { return data_; }

 private:
  pcre2_match_context* context_;
  pcre2_jit_stack* stack_;
  pcre2_match_data* data_;
};

}  // namespace

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
  int error = 0;
  PCRE2_SIZE offset = 0;
  // In Oniguruma ^ and $ are always about lines.
  pcre2_code* code =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                    PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &error, &offset, context.get());
  require(code != nullptr, ErrorKind::format,
          "the pattern \"{}\" must be a regular expression: {} at byte {} of \"{}\"", pattern.substr(0, 200),
          pcre2_message(error), offset, translated.substr(0, 200));
  code_ = std::make_unique<Code>(code);
  // Fails where the processor or the system forbids machine code; matching then interprets.
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
}

Regex::~Regex() = default;
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;

bool Regex::find(std::string_view text, std::size_t from, Span& match) const {
  const MatchWorkspace& workspace = MatchWorkspace::of_this_thread();
  const auto subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  int result =
      pcre2_match(code_->code, subject, text.size(), from, PCRE2_NO_UTF_CHECK, workspace.data(), workspace.context());
  if (result == PCRE2_ERROR_JIT_STACKLIMIT) {
    result = pcre2_match(code_->code, subject, text.size(), from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, workspace.data(),
                         workspace.context());
  }
  if (result == PCRE2_ERROR_NOMATCH) {
    return false;
  }
  // 0 says that there are groups beyond the one pair kept.
  require(result >= 0, ErrorKind::unsupported, "the pattern \"{}\" cannot be matched on {} bytes of text: {}",
          std::string_view(pattern_).substr(0, 200), text.size(), pcre2_message(result));
  const PCRE2_SIZE* pair = pcre2_get_ovector_pointer(workspace.data());
  // A lookahead with \K can move the start behind the end, or before `from`.
  match.end = pair[1] < from ? from : pair[1];
  match.begin = pair[0] < from ? from : pair[0] > match.end ? match.end : pair[0];
  return true;
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
