#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "dstorch/error.h"
#include "message_reader.h"

namespace dstorch::cli {
namespace {

class PipedMessages : public MessageReader {
 public:
  std::optional<Message> read(const std::string& /*prompt*/) override {
    Message message;
    bool more = true;
    bool any = false;
    while (more) {
      const auto line = next_line();
      if (!line) {
        break;
      }
      message.text += (any ? "\n" : "") + *line;
      any = true;
      more = message.text.ends_with('\\');
      if (more) {
        message.text.pop_back();
      }
    }
    return any ? std::optional(message) : std::nullopt;
  }

 private:
  std::optional<std::string> next_line() {
    while (true) {
      if (const auto end = held_.find('\n'); end != std::string::npos) {
        auto line = held_.substr(0, end);
        held_.erase(0, end + 1);
        if (line.ends_with('\r')) {
          line.pop_back();
        }
        return line;
      }
      char block[4096];
      const auto count = ::read(STDIN_FILENO, block, sizeof block);
      if (count < 0 && errno != EINTR) {
        throw LMError(ErrorKind::io, "cannot read standard input: " + std::generic_category().message(errno));
      }
      if (count == 0) {
        return held_.empty() ? std::nullopt : std::optional(std::exchange(held_, {}));
      }
      held_.append(block, static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    }
  }

  std::string held_;
};

}  // namespace

std::unique_ptr<MessageReader> piped_messages() { return std::make_unique<PipedMessages>(); }

}  // namespace dstorch::cli
