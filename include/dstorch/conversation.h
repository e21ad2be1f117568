#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "dstorch/chat.h"
#include "dstorch/generation.h"

namespace dstorch {

/// Called with each part of an answer as it becomes final: text and reasoning in pieces of whole characters, a call of
/// a tool as a whole. Return false to stop; the finish reason is then `cancelled`, and it is not called again. It runs
/// on the thread that waits for the answer, with no lock held, and may call anything, the model included.
using AnswerCallback = std::function<bool(const AnswerPiece& piece)>;

struct ChatOptions {
  /// What the model's chat template is given beside the messages: tools, documents, variables.
  ChatTemplateOptions prompt{};
  /// Unset: what `TorchModel::chat_defaults` returns. Its `max_tokens` unset: as many as the context has room for, at
  /// most 4096. Its `on_token` must be empty, and `skip_special_tokens` decides nothing here.
  std::optional<GenerationOptions> generation{};
  AnswerCallback on_piece{};
};

struct ChatResult {
  /// The assistant's. Put behind the others it is a part of the conversation. White space around its text and its
  /// reasoning is cut; each of its calls has an id.
  Message message;
  /// How it came about; its text is the answer as the model wrote it, with the marks around reasoning and calls.
  GenerationResult generation;
};

/// An answer that was submitted and goes on by itself; `PendingGeneration` for conversations. One thread at a time, but
/// for `cancel`. It does not need the model.
class PendingChat {
 public:
  PendingChat(PendingChat&&) noexcept;
  PendingChat& operator=(PendingChat&&) noexcept;
  /// Cancels what nobody waited for.
  ~PendingChat();

  /// Waits for the end, calling `on_piece` with each part as it comes. Once. Throws LMError, or what `on_piece` throws;
  /// the generation is cancelled then.
  ChatResult wait();
  /// Calls `on_piece` with what there is by now. True when `wait` will not block; the last parts come in `wait`.
  bool poll();
  /// For programs with an event loop, as `PendingGeneration::notify`.
  void notify(std::function<void()> on_news);
  /// Ends it at once, with what was made so far. Any thread.
  void cancel() const noexcept;

 private:
  friend class TorchModel;
  class State;
  explicit PendingChat(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace dstorch
