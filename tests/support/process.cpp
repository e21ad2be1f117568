#include "support/process.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <fstream>
#include <iterator>
#include <system_error>
#include <thread>

namespace dstorch::test {
namespace {

namespace fs = std::filesystem;

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// In the child, between fork and exec: nothing here may allocate.
void redirect(const char* path, int flags, int target) {
  const int fd = ::open(path, flags, 0600);
  if (fd < 0 || ::dup2(fd, target) < 0) {
    ::_exit(127);
  }
}

}  // namespace

Process::Process(std::vector<std::string> arguments, const ProcessOptions& options) {
  std::string name = (fs::temp_directory_path() / "dstorch_process_XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) {
    throw std::system_error(errno, std::generic_category(), name);
  }
  directory_ = name;
  const std::string in = directory_ / "in";
  const std::string out = directory_ / "out";
  const std::string err = directory_ / "err";
  std::ofstream(in, std::ios::binary) << options.input;
  std::vector<char*> argv;
  for (auto& argument : arguments) {
    argv.push_back(argument.data());
  }
  argv.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ < 0) {
    throw std::system_error(errno, std::generic_category(), "fork");
  }
  if (pid_ == 0) {
    redirect(in.c_str(), O_RDONLY, STDIN_FILENO);
    redirect(out.c_str(), O_WRONLY | O_CREAT, STDOUT_FILENO);
    redirect(err.c_str(), O_WRONLY | O_CREAT, STDERR_FILENO);
    if (options.file_size_limit) {
      const rlimit limit{*options.file_size_limit, *options.file_size_limit};
      ::signal(SIGXFSZ, SIG_IGN);  // so that write() fails, as it does on a full disk
      ::setrlimit(RLIMIT_FSIZE, &limit);
    }
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
}

Process::~Process() {
  if (!exit_code_) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  std::error_code ignored;
  fs::remove_all(directory_, ignored);
}

std::string Process::out() const { return read(directory_ / "out"); }

std::string Process::err() const { return read(directory_ / "err"); }

bool Process::wait_for_out(std::string_view text) { return wait_for(directory_ / "out", text); }

bool Process::wait_for_err(std::string_view text) { return wait_for(directory_ / "err", text); }

bool Process::wait_for(const fs::path& file, std::string_view text) {
  while (true) {
    const bool last_look = ended();
    if (read(file).find(text) != std::string::npos) {
      return true;
    }
    if (last_look) {
      return false;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

void Process::signal(int number) const { ::kill(pid_, number); }

void Process::kill() const {
  if (!exit_code_) {
    ::kill(pid_, SIGKILL);
  }
}

bool Process::ended() {
  if (exit_code_) {
    return true;
  }
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) != pid_) {
    return false;
  }
  exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return true;
}

ProcessResult Process::wait() {
  while (!ended()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return {*exit_code_, out(), err()};
}

ProcessResult run_process(std::vector<std::string> arguments, const ProcessOptions& options) {
  return Process(std::move(arguments), options).wait();
}

}  // namespace dstorch::test
