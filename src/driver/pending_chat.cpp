#include "core/throw.h"
#include "driver/loaded_model.h"
#include "driver/pending_chat_state.h"

namespace dstorch {

bool driver::ChatAnswer::take(std::string_view text) {
  hand_out(collector_.push(text));
  return !stopped_;
}

void driver::ChatAnswer::finish() { hand_out(collector_.finish()); }

void driver::ChatAnswer::hand_out(const std::vector<AnswerPiece>& pieces) {
  for (const AnswerPiece& piece : pieces) {
    if (on_piece_ && !stopped_ && !on_piece_(piece)) {
      stopped_ = true;
    }
  }
}

ChatResult PendingChat::State::wait() {
  ChatResult result;
  result.generation = generation_.wait();
  answer_->finish();
  if (answer_->stopped()) {
    result.generation.finish_reason = FinishReason::cancelled;
  }
  result.message = answer_->message();
  return result;
}

PendingChat::PendingChat(std::unique_ptr<State> state) : state_(std::move(state)) {}
PendingChat::PendingChat(PendingChat&&) noexcept = default;
PendingChat& PendingChat::operator=(PendingChat&&) noexcept = default;
PendingChat::~PendingChat() = default;

ChatResult PendingChat::wait() { return state_->wait(); }
bool PendingChat::poll() { return state_->poll(); }
void PendingChat::notify(std::function<void()> on_news) { state_->notify(std::move(on_news)); }
void PendingChat::cancel() const noexcept { state_->cancel(); }

namespace driver {

std::shared_ptr<const text::ChatModel> LoadedModel::chat() const {
  const std::lock_guard lock(chat_mutex_);
  if (chat_) {
    return chat_;
  }
  const auto& tokenizer = engine()->tokenizer();
  require(tokenizer != nullptr, ErrorKind::unsupported,
          "a conversation needs the model's tokenizer, and its directory has none; give one");
  for (const auto& directory : chat_directories) {
    try {
      chat_ = std::make_shared<const text::ChatModel>(tokenizer, directory);
      return chat_;
    } catch (const LMError& e) {
      // Another directory may have a template; the last one's error is said.
      if (e.kind() != ErrorKind::not_found || &directory == &chat_directories.back()) {
        throw;
      }
    }
  }
  fail(ErrorKind::not_found, "a model that is made from an architecture has no chat template");
}

}  // namespace driver
}  // namespace dstorch
