#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dstorch::test {

struct ProcessOptions {
  std::string input{};
  /// Largest file the program may write, in bytes: a disk that is full, as far as one process can tell.
  std::optional<uint64_t> file_size_limit{};
};

struct ProcessResult {
  /// 128 + N after the signal N.
  int exit_code = 0;
  std::string out;
  std::string err;
};

/// A program that runs beside the test, with its output in files. Killed when it outlives its object.
class Process {
 public:
  /// `arguments[0]` is the program's path. Throws std::system_error.
  explicit Process(std::vector<std::string> arguments, const ProcessOptions& options = {});
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process();

  [[nodiscard]] std::string out() const;
  [[nodiscard]] std::string err() const;
  /// Waits until what went to standard error (or output) holds `text`; false when the program ended without it.
  [[nodiscard]] bool wait_for_err(std::string_view text);
  [[nodiscard]] bool wait_for_out(std::string_view text);
  /// Sends it a signal: SIGINT is what Ctrl-C sends.
  void signal(int number) const;
  /// Ends it with SIGKILL, if it has not ended yet.
  void kill() const;
  /// Waits for the end.
  ProcessResult wait();

 private:
  bool wait_for(const std::filesystem::path& file, std::string_view text);
  bool ended();

  std::filesystem::path directory_;
  pid_t pid_ = -1;
  std::optional<int> exit_code_;
};

/// Runs a program to its end.
ProcessResult run_process(std::vector<std::string> arguments, const ProcessOptions& options = {});

}  // namespace dstorch::test
