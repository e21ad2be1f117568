#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

/// Whether the driver can be used at all, tried in a process of its own: one that crashes or hangs must not take this
/// program with it. That process is the helper `webgl-trial`, executed afresh and never forked from this program's
/// memory.
namespace dstorch::webgl {

/// The helper: what $DSTORCH_WEBGL_TRIAL names; else webgl-trial beside this program, or in libexec/dstorch of the
/// prefix that this program is installed in, of that of this library, and of the build tree. None when
/// $DSTORCH_WEBGL_TRIAL is "off" or where no such file is.
std::optional<std::filesystem::path> find_trial_program();

/// Lets the helper open the device and run a shader. Says how the driver failed: "crashed (Segmentation fault) while a
/// shader ran". Empty when it did not, also when it refused in good order, which this program will then see for itself;
/// and when the helper could not run at all, which is logged. `limit`: how long it may take after its first word.
std::string try_driver(const std::filesystem::path& program, std::chrono::seconds limit);

/// Throws LMError{unsupported} when the driver does not survive the trial; it is held once, when first asked. Without a
/// helper there is none, which is logged.
void require_surviving_driver();

/// What the helper says on standard error, a line each, before it does it; and when all is done.
inline constexpr const char* kTrialMark = "webgl-trial: ";
inline constexpr const char* kTrialDone = "done";

}  // namespace dstorch::webgl
