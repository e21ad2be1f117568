#include "terminal.h"

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>

namespace dstorch::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kUntilShown = std::chrono::milliseconds(300);
constexpr auto kBetweenFrames = std::chrono::milliseconds(100);

bool is_set(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0';
}

/// Who writes on standard error, and whether a line that moves stands there.
struct Screen {
  std::mutex mutex;
  bool line_stands = false;

  void wipe() {
    if (line_stands) {
      std::fputs("\r\033[K", stderr);
      line_stands = false;
    }
  }
};

Screen& screen() {
  static Screen screen;
  return screen;
}

/// A line must not wrap, or it could not be written over. Cut between characters.
std::string cut_to_width(std::string line) {
  winsize size{};
  const std::size_t width = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1U : 79U;
  std::size_t columns = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const bool begins_character = (static_cast<unsigned char>(line[i]) & 0xC0U) != 0x80U;
    columns += begins_character ? 1 : 0;
    if (columns > width) {
      line.resize(i);
    }
  }
  return line;
}

}  // namespace

bool has_moving_lines() {
  const char* terminal = std::getenv("TERM");
  const bool dumb = terminal == nullptr || *terminal == '\0' || std::string_view(terminal) == "dumb";
  return !dumb && ::isatty(STDERR_FILENO) == 1;
}

std::string dim(std::string_view text) {
  const bool colours = has_moving_lines() && !is_set("NO_COLOR");
  return colours ? fmt::format("\033[2m{}\033[0m", text) : std::string(text);
}

void say(std::string_view line) {
  const std::lock_guard lock(screen().mutex);
  screen().wipe();
  std::fprintf(stderr, "%.*s\n", static_cast<int>(line.size()), line.data());
  std::fflush(stderr);
}

struct StatusLine::State {
  std::string text;
  Clock::time_point busy_since;  // of all that was told without a pause
  Clock::time_point start;       // of what is told now
  bool ends = false;
  std::condition_variable changed;
  std::thread thread;  // last: it uses the others

  /// Draws the line again and again, until the end.
  void run() {
    constexpr std::string_view kFrames = "|/-\\";
    std::unique_lock lock(screen().mutex);
    for (std::size_t frame = 0; !ends; ++frame) {
      const auto now = Clock::now();
      if (!text.empty() && now - busy_since >= kUntilShown) {
        const auto line = fmt::format("{} {} ({:.1f} s)", kFrames[frame % kFrames.size()], text,
                                      std::chrono::duration<double>(now - start).count());
        std::fprintf(stderr, "\r\033[K%s", dim(cut_to_width(line)).c_str());
        std::fflush(stderr);
        screen().line_stands = true;
      }
      changed.wait_for(lock, kBetweenFrames);
    }
  }
};

StatusLine::StatusLine(std::string text) {
  if (!has_moving_lines()) {
    return;
  }
  state_ = std::make_unique<State>();
  state_->text = std::move(text);
  state_->busy_since = state_->start = Clock::now();
  state_->thread = std::thread([state = state_.get()] { state->run(); });
}

StatusLine::~StatusLine() {
  if (state_) {
    {
      const std::lock_guard lock(screen().mutex);
      screen().wipe();
      std::fflush(stderr);
      state_->ends = true;
    }
    state_->changed.notify_one();
    state_->thread.join();
  }
}

void StatusLine::show(std::string text) {
  if (state_) {
    const std::lock_guard lock(screen().mutex);
    screen().wipe();
    std::fflush(stderr);
    state_->start = Clock::now();
    if (state_->text.empty()) {
      state_->busy_since = state_->start;
    }
    state_->text = std::move(text);
  }
}

void StatusLine::update(std::string text) {
  if (state_) {
    const std::lock_guard lock(screen().mutex);
    state_->text = std::move(text);
  }
}

void StatusLine::clear() { show({}); }

}  // namespace dstorch::cli
