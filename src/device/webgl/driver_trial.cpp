#include "device/webgl/driver_trial.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string_view>
#include <system_error>

#include "core/throw.h"
#include "dstorch/log.h"

namespace dstorch::webgl {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

/// Far more than a driver takes that runs on a busy processor; one that hangs takes for ever.
constexpr std::chrono::seconds kLimit{60};

/// The helper's process and what it says. Not there any more when this is gone.
class Trial {
 public:
  explicit Trial(const fs::path& program);
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;
  ~Trial() { end(); }

  /// Until all is done, the process ends or the time is over, in which case this is false: `limit` after its first
  /// word.
  bool listen(std::chrono::seconds limit);
  /// Ends the process; its status as waitpid gives it, none where this program reaps its children elsewhere.
  std::optional<int> end();

  [[nodiscard]] bool started() const { return pid_ > 0; }
  [[nodiscard]] const std::string& said() const { return said_; }

 private:
  pid_t pid_ = -1;
  int output_ = -1;
  std::string said_;
};

Trial::Trial(const fs::path& program) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return;
  }
  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawn_file_actions_adddup2(&files, ends[1], STDERR_FILENO);
  ::posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  // As a fresh program has them, whatever this one ignores or blocks.
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t none;
  sigset_t all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::string path = program.string();
  std::array<char*, 2> arguments{path.data(), nullptr};
  if (::posix_spawn(&pid_, path.c_str(), &files, &attributes, arguments.data(), environ) != 0) {
    pid_ = -1;
  }
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&files);
  ::close(ends[1]);
  output_ = ends[0];
}

bool Trial::listen(std::chrono::seconds limit) {
  // Until then it is no driver that takes its time, but a busy system that has not begun to run the helper.
  auto until = Clock::now() + std::max(limit, kLimit);
  const std::string done = std::string(kTrialMark) + kTrialDone + "\n";
  std::array<char, 512> piece{};
  while (said_.find(done) == std::string::npos) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
    pollfd wait{output_, POLLIN, 0};
    const int ready = left > 0 ? ::poll(&wait, 1, static_cast<int>(left)) : 0;
    if (ready < 0 && errno == EINTR) {
      continue;
    }
    if (ready <= 0) {
      return false;
    }
    const auto count = ::read(output_, piece.data(), piece.size());
    if (count <= 0) {
      return true;
    }
    until = said_.empty() ? Clock::now() + limit : until;
    said_.append(piece.data(), static_cast<std::size_t>(count));
  }
  return true;
}

std::optional<int> Trial::end() {
  if (output_ >= 0) {
    ::close(output_);
    output_ = -1;
  }
  if (!started()) {
    return std::nullopt;
  }
  // No harm to one that has ended.
  ::kill(pid_, SIGKILL);
  int status = 0;
  pid_t ended = -1;
  do {
    ended = ::waitpid(pid_, &status, 0);
  } while (ended < 0 && errno == EINTR);
  pid_ = -1;
  return ended > 0 ? std::optional(status) : std::nullopt;
}

/// What the helper was at when it last said so, and the last words of anybody else.
struct LastWords {
  std::string stage;
  std::string other;
};

LastWords last_words(std::string_view said) {
  LastWords words;
  const std::string_view mark = kTrialMark;
  while (!said.empty()) {
    const auto end = said.find('\n');
    const auto line = said.substr(0, end);
    if (line.starts_with(mark)) {
      words.stage = line.substr(mark.size());
    } else if (!line.empty()) {
      words.other = line.substr(0, 200);
    }
    said.remove_prefix(end == std::string_view::npos ? said.size() : end + 1);
  }
  return words;
}

std::string how_it_ended(std::optional<int> status) {
  if (!status) {
    return "ended";
  }
  if (WIFSIGNALED(*status)) {
    const char* name = ::sigdescr_np(WTERMSIG(*status));
    return fmt::format("crashed ({})", name != nullptr ? name : fmt::format("signal {}", WTERMSIG(*status)));
  }
  return fmt::format("ended the program with status {}", WEXITSTATUS(*status));
}

}  // namespace

std::optional<fs::path> find_trial_program() {
  if (const char* named = std::getenv("DSTORCH_WEBGL_TRIAL")) {
    return std::string_view(named) == "off" ? std::nullopt : std::optional<fs::path>(named);
  }
  std::error_code none;
  const auto folder = fs::read_symlink("/proc/self/exe", none).parent_path();
  for (const fs::path& path : {folder / "webgl-trial", folder.parent_path() / "libexec/dstorch/webgl-trial",
                               fs::path(DSTORCH_INSTALLED_WEBGL_TRIAL), fs::path(DSTORCH_BUILT_WEBGL_TRIAL)}) {
    if (::access(path.c_str(), X_OK) == 0) {
      return path;
    }
  }
  log(LogLevel::warning,
      "the driver of device webgl is not tried in a process of its own first, because the program webgl-trial is "
      "missing: one that crashes ends this program. DSTORCH_WEBGL_TRIAL names another place");
  return std::nullopt;
}

std::string try_driver(const fs::path& program, std::chrono::seconds limit) {
  Trial trial(program);
  const bool in_time = trial.listen(limit);
  const bool started = trial.started();
  const auto status = trial.end();
  const auto words = last_words(trial.said());
  if (words.stage == kTrialDone) {
    return {};
  }
  if (!started || words.stage.empty()) {
    log(LogLevel::warning, fmt::format("the driver of device webgl could not be tried in a process of its own: {} {}",
                                       program.string(), words.other.empty() ? "does not run" : words.other));
    return {};
  }
  return fmt::format("{} while {}{}",
                     in_time ? how_it_ended(status) : fmt::format("did not answer within {} s", limit.count()),
                     words.stage, words.other.empty() ? "" : fmt::format("; it said \"{}\"", words.other));
}

void require_surviving_driver() {
  static std::once_flag once;
  static std::string failure;
  std::call_once(once, [] {
    if (const auto program = find_trial_program()) {
      failure = try_driver(*program, kLimit);
    }
  });
  require(failure.empty(), ErrorKind::unsupported,
          "device webgl has a driver that {}. It was tried in a process of its own. Update it or choose another "
          "(docs/devices.md), or use --device cpu",
          failure);
}

}  // namespace dstorch::webgl
