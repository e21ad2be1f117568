#include "command_line.h"
#include "dstorch/log.h"
#include "output.h"
#include "terminal.h"

int main(int argc, char** argv) {
  dstorch::cli::guard_standard_streams();
  dstorch::set_log_callback([](dstorch::LogLevel level, std::string_view message) {
    if (level != dstorch::LogLevel::debug) {
      dstorch::cli::say(message);
    }
  });
  return dstorch::cli::run_command_line(argc, argv);
}
