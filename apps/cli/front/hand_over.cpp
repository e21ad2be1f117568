// The commands that need LibTorch, in the program that people start. Loading LibTorch takes a third of a second and
// 160 MB, which help, tokenizing and looking into files do not need; so this program does without, and becomes the one
// that has it: the same command line, the same process, another executable.
#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "commands.h"
#include "dstorch/error.h"

namespace dstorch::cli {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void hand_over() {
  // Training runs LibTorch's backward passes, whose OpenMP threads otherwise spin while they wait: on a busy machine
  // that costs several times their share. OpenMP reads this once, when it is loaded.
  ::setenv("OMP_WAIT_POLICY", "passive", /*overwrite=*/0);
  const auto folder = fs::read_symlink("/proc/self/exe").parent_path();
  int error = ENOENT;
  // Beside it where it was built, else where it was installed: from wherever the two were moved together.
  const auto built = folder / "libexec/dstorch/dstorch";
  const auto installed = (folder / DSTORCH_LIBEXEC_FROM_BIN / "dstorch").lexically_normal();
  for (const auto& program : {built, installed}) {
    ::execv(program.c_str(), command_line());
    error = errno == ENOENT ? error : errno;
  }
  throw LMError(ErrorKind::io,
                fmt::format("cannot start {}, the part of dstorch that computes: {}; install dstorch again",
                            installed.string(), std::generic_category().message(error)));
}

}  // namespace

void run(const BenchArguments&) { hand_over(); }
void run(const ChatArguments&) { hand_over(); }
void run(const ClassifyArguments&) { hand_over(); }
void run(const DevicesArguments&) { hand_over(); }
void run(const EmbedArguments&) { hand_over(); }
void run(const FinetuneArguments&) { hand_over(); }
void run(const GenerateArguments&) { hand_over(); }
void run(const LogitsArguments&) { hand_over(); }
void run(const MergeArguments&) { hand_over(); }
void run(const PerplexityArguments&) { hand_over(); }
void run(const PlanArguments&) { hand_over(); }
void run(const TrainArguments&) { hand_over(); }

}  // namespace dstorch::cli
