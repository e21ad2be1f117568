#include <histedit.h>
#include <langinfo.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cwchar>
#include <string_view>

#include "chat_signals.h"
#include "dstorch/error.h"
#include "message_reader.h"
#include "terminal.h"

namespace dstorch::cli {
namespace {

constexpr int kRemembered = 1000;
constexpr wchar_t kCtrlC = 3;

/// libedit, with what a conversation needs more: lines within a message, pasted texts as a whole, Ctrl-C.
class TerminalMessages : public MessageReader {
 public:
  explicit TerminalMessages(ChatSignals& signals) : signals_(signals) {
    // libedit turns bytes into characters as the locale says. Only that part of it is set.
    std::setlocale(LC_CTYPE, "");
    if (std::string_view(::nl_langinfo(CODESET)) != "UTF-8") {
      std::setlocale(LC_CTYPE, "C.UTF-8");
    }
    editor_ = ::el_init("dstorch", stdin, stderr, stderr);
    history_ = ::history_init();
    if (editor_ == nullptr || history_ == nullptr) {
      throw LMError(ErrorKind::io, "cannot prepare the terminal for typing; text through a pipe works");
    }
    HistEvent event;
    ::history(history_, &event, H_SETSIZE, kRemembered);
    ::history(history_, &event, H_SETUNIQUE, 1);
    ::el_set(editor_, EL_CLIENTDATA, this);
    ::el_set(editor_, EL_EDITOR, "emacs");
    ::el_set(editor_, EL_PROMPT, &TerminalMessages::prompt);
    ::el_set(editor_, EL_HIST, &::history, history_);
    ::el_set(editor_, EL_GETCFN, &TerminalMessages::next_character);
    bind_keys();
  }

  ~TerminalMessages() override {
    if (history_ != nullptr) {
      ::history_end(history_);
    }
    if (editor_ != nullptr) {
      ::el_end(editor_);
    }
  }

  std::optional<Message> read(const std::string& prompt) override {
    prompt_ = prompt;
    Message message;
    const char* before = "";
    do {
      interrupted_ = false;
      // Before the prompt: what is typed at once would else be read as a line of the terminal's own.
      ::el_set(editor_, EL_PREP_TERM, 1);
      paste_marks(true);
      int count = 0;
      const char* line = ::el_gets(editor_, &count);
      paste_marks(false);
      if (!interrupted_ && (line == nullptr || count <= 0)) {
        write("\n");
        return message.text.empty() ? std::nullopt : std::optional(message);
      }
      message.text += before;
      message.text += line == nullptr ? "" : line;
      if (message.text.ends_with('\n')) {
        message.text.pop_back();
      }
      before = "\n";
      prompt_ = kMore;
    } while (!interrupted_ && goes_on(message.text));
    message.interrupted = interrupted_;
    if (!interrupted_ && message.text.find_first_not_of(" \n\t") != std::string::npos) {
      HistEvent event;
      ::history(history_, &event, H_ENTER, message.text.c_str());
    }
    return message;
  }

 private:
  static constexpr const char* kMore = ". ";

  /// A backslash at the end, which is taken away.
  static bool goes_on(std::string& text) {
    if (!text.ends_with('\\')) {
      return false;
    }
    text.pop_back();
    return true;
  }

  static TerminalMessages& self(EditLine* editor) {
    void* self = nullptr;
    ::el_get(editor, EL_CLIENTDATA, &self);
    return *static_cast<TerminalMessages*>(self);
  }

  static char* prompt(EditLine* editor) { return self(editor).prompt_.data(); }

  void bind_keys() {
    ::el_set(editor_, EL_ADDFN, "dstorch-new-line", "Begin a new line", &TerminalMessages::new_line);
    ::el_set(editor_, EL_ADDFN, "dstorch-paste", "Take what is pasted", &TerminalMessages::paste);
    ::el_set(editor_, EL_ADDFN, "dstorch-interrupt", "Empty the line", &TerminalMessages::interrupt);
    constexpr const char* kKeys[][2] = {{"\\e\\n", "dstorch-new-line"},
                                        {"\\e\\r", "dstorch-new-line"},
                                        // The terminal's settings make Ctrl-J of it.
                                        {"^M", "dstorch-new-line"},
                                        {"\\e[200~", "dstorch-paste"},
                                        {"^C", "dstorch-interrupt"},
                                        {"^R", "em-inc-search-prev"},
                                        {"\\e[3~", "ed-delete-next-char"},
                                        {"\\e[H", "ed-move-to-beg"},
                                        {"\\e[F", "ed-move-to-end"},
                                        {"\\e[1;5C", "em-next-word"},
                                        {"\\e[1;5D", "ed-prev-word"}};
    for (const auto& [key, function] : kKeys) {
      ::el_set(editor_, EL_BIND, key, function, nullptr);
    }
  }

  static unsigned char new_line(EditLine* editor, int /*key*/) {
    return ::el_insertstr(editor, "\n") == 0 ? CC_REFRESH : CC_ERROR;
  }

  static unsigned char interrupt(EditLine* editor, int /*key*/) {
    self(editor).interrupted_ = true;
    self(editor).write("^C\n");
    return CC_NEWLINE;
  }

  /// The terminal puts marks around what is pasted, so that its line ends do not send it.
  static unsigned char paste(EditLine* editor, int /*key*/) {
    constexpr std::wstring_view kEnd = L"\033[201~";
    std::wstring text;
    wchar_t c = 0;
    while (!text.ends_with(kEnd)) {
      if (next_character(editor, &c) != 1) {
        return CC_EOF;
      }
      if (c == kCtrlC) {
        return interrupt(editor, 0);
      }
      text += c == L'\r' ? L'\n' : c;
    }
    text.resize(text.size() - kEnd.size());
    if (text.ends_with(L'\n')) {  // the end of the last line, which was copied with it
      text.pop_back();
    }
    return ::el_winsertstr(editor, text.c_str()) == 0 ? CC_REFRESH : CC_ERROR;
  }

  void write(std::string_view text) const {
    std::fwrite(text.data(), 1, text.size(), stderr);
    std::fflush(stderr);
  }

  void paste_marks(bool on) const {
    if (has_moving_lines()) {
      write(on ? "\033[?2004h" : "\033[?2004l");
    }
  }

  /// One character from the terminal. Returns 1, 0 at its end, -1 on an error.
  static int next_character(EditLine* editor, wchar_t* character) {
    auto& me = self(editor);
    std::mbstate_t state{};
    while (true) {
      if (!me.wait(editor)) {
        *character = kCtrlC;
        return 1;
      }
      char byte = 0;
      const auto count = ::read(STDIN_FILENO, &byte, 1);
      if (count < 0 && errno == EINTR) {
        continue;
      }
      if (count != 1) {
        return static_cast<int>(count);
      }
      const auto used = std::mbrtowc(character, &byte, 1, &state);
      if (used == static_cast<std::size_t>(-1)) {  // no character: a new one begins
        state = {};
      } else if (used != static_cast<std::size_t>(-2)) {
        return 1;
      }
    }
  }

  /// Until there is something to read; false when Ctrl-C came instead.
  bool wait(EditLine* editor) {
    while (true) {
      pollfd inputs[] = {{STDIN_FILENO, POLLIN, 0}, {signals_.descriptor(), POLLIN, 0}};
      if (::poll(inputs, 2, -1) < 0 && errno != EINTR) {
        return true;  // reading will say why
      }
      const auto events = signals_.take();
      if (events.resized) {
        ::el_resize(editor);
      }
      if (events.continued) {
        ::el_set(editor, EL_PREP_TERM, 1);
        ::el_set(editor, EL_REFRESH);
      }
      if (events.interrupted) {
        return false;
      }
      if (inputs[0].revents != 0) {
        return true;
      }
    }
  }

  ChatSignals& signals_;
  EditLine* editor_ = nullptr;
  History* history_ = nullptr;
  std::string prompt_;
  bool interrupted_ = false;
};

}  // namespace

std::unique_ptr<MessageReader> terminal_messages(ChatSignals& signals) {
  return std::make_unique<TerminalMessages>(signals);
}

}  // namespace dstorch::cli
