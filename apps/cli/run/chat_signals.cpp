#include "chat_signals.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <deque>
#include <iterator>
#include <system_error>

#include "dstorch/error.h"

namespace dstorch::cli {
namespace {

constexpr int kSignals[] = {SIGINT, SIGWINCH, SIGCONT};

// What the handler may touch: it runs at any moment, on any thread.
std::atomic<const CancelToken*> running_answer{nullptr};
std::atomic<bool> was_interrupted{false};
std::atomic<bool> was_resized{false};
std::atomic<bool> was_continued{false};
int wake_up[2] = {-1, -1};
struct sigaction old_actions[std::size(kSignals)];

extern "C" void on_chat_signal(int signal) {
  const int error = errno;
  if (signal == SIGINT) {
    if (const auto* answer = running_answer.load()) {
      answer->cancel();
    } else {
      was_interrupted = true;
    }
  } else {
    (signal == SIGWINCH ? was_resized : was_continued) = true;
  }
  // A full pipe wakes as well.
  [[maybe_unused]] const auto ignored = ::write(wake_up[1], "", 1);
  errno = error;
}

}  // namespace

ChatSignals::ChatSignals() {
  if (::pipe2(wake_up, O_NONBLOCK | O_CLOEXEC) != 0) {
    throw LMError(ErrorKind::io, "cannot make a pipe: " + std::generic_category().message(errno));
  }
  struct sigaction action {};
  action.sa_handler = on_chat_signal;
  action.sa_flags = SA_RESTART;
  for (std::size_t i = 0; i < std::size(kSignals); ++i) {
    ::sigaction(kSignals[i], &action, &old_actions[i]);
  }
}

ChatSignals::~ChatSignals() {
  for (std::size_t i = 0; i < std::size(kSignals); ++i) {
    ::sigaction(kSignals[i], &old_actions[i], nullptr);
  }
  ::close(wake_up[0]);
  ::close(wake_up[1]);
}

CancelToken ChatSignals::begin_answer() {
  // Kept for good: the handler of a signal that came just now may still hold one.
  static std::deque<CancelToken> tokens;
  running_answer = &tokens.emplace_back();
  return tokens.back();
}

void ChatSignals::end_answer() { running_answer = nullptr; }

int ChatSignals::descriptor() const { return wake_up[0]; }

ChatSignals::Events ChatSignals::take() {
  char bytes[64];
  while (::read(wake_up[0], bytes, sizeof bytes) > 0) {
  }
  return {was_interrupted.exchange(false), was_resized.exchange(false), was_continued.exchange(false)};
}

}  // namespace dstorch::cli
