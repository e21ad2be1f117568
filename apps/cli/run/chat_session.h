#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "chat_signals.h"
#include "dstorch/torch_model.h"
#include "message_reader.h"

namespace dstorch::cli {

/// A conversation with a model. What goes wrong leaves it as it was.
class ChatSession {
 public:
  /// `signals`: null where nobody sits at a terminal; Ctrl-C then ends the program.
  ChatSession(TorchModel& model, ChatOptions options, MessageReader& reader, ChatSignals* signals)
      : model_(model), options_(std::move(options)), reader_(reader), signals_(signals) {}

  /// What the model is told before all else; empty: nothing.
  void set_system(const std::string& text);
  [[nodiscard]] std::string system() const;
  /// Says something and prints the answer. Throws LMError; Interrupted where Ctrl-C ends the program.
  void say(const std::string& text);
  /// Forgets all but what `set_system` said.
  void reset();
  /// As a file of --messages. Throws LMError: invalid_argument for a file that is something else.
  void save(const std::filesystem::path& file) const;
  /// Goes on with what a file says, and answers it if it ends with a question. Throws LMError.
  void load(const std::filesystem::path& file);
  [[nodiscard]] const std::vector<Message>& messages() const noexcept { return messages_; }
  /// Of the last answer, if there was one.
  [[nodiscard]] const std::optional<GenerationResult>& last() const noexcept { return last_; }
  [[nodiscard]] ModelInfo model_info() const { return model_.info(); }

 private:
  void answer();
  ChatResult ask();
  bool run_tools(const Message& message);

  TorchModel& model_;
  ChatOptions options_;
  MessageReader& reader_;
  ChatSignals* signals_;
  std::vector<Message> messages_;
  std::optional<GenerationResult> last_;
};

}  // namespace dstorch::cli
