#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "dstorch/conversation.h"
#include "text/chat/answer_collector.h"

namespace dstorch {
namespace driver {

/// An answer of a conversation as it comes: its parts go to who waits for it, and into the message.
class ChatAnswer {
 public:
  ChatAnswer(AnswerFormat format, uint64_t call_ids, AnswerCallback on_piece)
      : collector_(std::move(format), call_ids), on_piece_(std::move(on_piece)) {}

  /// Text of the model's; false when no more is wanted.
  bool take(std::string_view text);
  /// The end of it.
  void finish();
  [[nodiscard]] Message message() const { return collector_.message(); }
  [[nodiscard]] bool stopped() const noexcept { return stopped_; }

 private:
  void hand_out(const std::vector<AnswerPiece>& pieces);

  text::AnswerCollector collector_;
  AnswerCallback on_piece_;
  bool stopped_ = false;
};

}  // namespace driver

class PendingChat::State {
 public:
  State(PendingGeneration generation, std::shared_ptr<driver::ChatAnswer> answer)
      : generation_(std::move(generation)), answer_(std::move(answer)) {}

  ChatResult wait();
  bool poll() { return generation_.poll(); }
  void notify(std::function<void()> on_news) { generation_.notify(std::move(on_news)); }
  void cancel() const noexcept { generation_.cancel(); }

 private:
  PendingGeneration generation_;
  std::shared_ptr<driver::ChatAnswer> answer_;
};

}  // namespace dstorch
