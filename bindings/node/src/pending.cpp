#include "pending.h"

#include <string>
#include <utility>

#include "values.h"

namespace dstorch::node {
namespace {

/// `Answer`: PendingGeneration or PendingChat.
template <typename Answer>
class PendingAnswer final : public Pending {
 public:
  explicit PendingAnswer(Answer answer) : answer_(std::move(answer)) {}

  bool poll() override { return answer_.poll(); }
  void notify(std::function<void()> on_news) override { answer_.notify(std::move(on_news)); }
  void cancel() const noexcept override { answer_.cancel(); }
  Napi::Value wait(Napi::Env env) override { return completion(env, answer_.wait()); }

 private:
  Answer answer_;
};

}  // namespace

std::unique_ptr<Pending> pending(PendingGeneration generation) {
  return std::make_unique<PendingAnswer<PendingGeneration>>(std::move(generation));
}

std::unique_ptr<Pending> pending(PendingChat chat) {
  return std::make_unique<PendingAnswer<PendingChat>>(std::move(chat));
}

TokenCallback token_callback(OnPiece on_piece) {
  if (!on_piece) {
    return {};
  }
  return [on_piece = std::move(on_piece)](std::string_view piece) {
    on_piece([text = std::string(piece)](Napi::Env env) -> Napi::Value { return Napi::String::New(env, text); });
    return true;
  };
}

AnswerCallback answer_callback(OnPiece on_piece) {
  if (!on_piece) {
    return {};
  }
  return [on_piece = std::move(on_piece)](const AnswerPiece& piece) {
    on_piece([piece](Napi::Env env) { return answer_piece(env, piece); });
    return true;
  };
}

}  // namespace dstorch::node
