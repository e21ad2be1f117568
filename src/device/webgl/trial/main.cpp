// The program webgl-trial: opens the device and runs a shader, in a process that may crash. Says on standard error what
// it is at (driver_trial.h). It has LibTorch loaded, since drivers have crashed over what that brings.
#include <ATen/ATen.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "device/webgl/driver_trial.h"
#include "device/webgl/tensors.h"
#include "device/webgl/webgl.h"
#include "dstorch/error.h"

namespace {

void say(const char* stage) { std::fprintf(stderr, "%s%s\n", dstorch::webgl::kTrialMark, stage); }

}  // namespace

int main() {
  ::setenv("DSTORCH_WEBGL_TRIAL", "off", 1);  // this is it
  ::prctl(PR_SET_DUMPABLE, 0);                // a crash is an answer, not something to keep
  try {
    say("a context was opened");
    dstorch::webgl::require_available();
    say("a shader ran");
    const auto two = at::ones({4}, at::TensorOptions().device(dstorch::webgl::kDeviceType)) + 1;
    if (!two.cpu().equal(at::full({4}, 2.0))) {
      std::fputs("1 + 1 is not 2\n", stderr);
      ::_exit(1);
    }
  } catch (const std::exception&) {
    // A refusal in good order.
  }
  say(dstorch::webgl::kTrialDone);
  ::_exit(0);
}
