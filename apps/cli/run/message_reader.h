#pragma once

#include <memory>
#include <optional>
#include <string>

namespace dstorch::cli {

class ChatSignals;

/// Where what somebody says comes from, a message at a time.
class MessageReader {
 public:
  MessageReader() = default;
  MessageReader(const MessageReader&) = delete;
  MessageReader& operator=(const MessageReader&) = delete;
  virtual ~MessageReader() = default;

  struct Message {
    std::string text;
    /// Ctrl-C came while it was typed; the text is what was there until then.
    bool interrupted = false;
  };
  /// Nothing at the end. `prompt` is what stands before it at a terminal.
  virtual std::optional<Message> read(const std::string& prompt) = 0;
};

/// From a terminal, with a line editor and what was said before on the arrow keys. Writes on standard error.
std::unique_ptr<MessageReader> terminal_messages(ChatSignals& signals);

/// From standard input, line by line. A line that ends with a backslash goes on in the next.
std::unique_ptr<MessageReader> piped_messages();

}  // namespace dstorch::cli
