#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace dstorch::webgl {

/// Whether a library that this process loaded offers LLVM's symbols to all others, as LibTorch 2.6 of Debian 13 does. A
/// driver with an LLVM of its own would then be bound to that one, and crash. Never true under a sanitizer, which ends
/// the program over the cure.
bool drivers_need_their_own_symbols();

/// The libraries that GLVND's libEGL.so.1 would load, as the JSON files say that it reads:
/// $__EGL_VENDOR_LIBRARY_FILENAMES, else those in $__EGL_VENDOR_LIBRARY_DIRS, else those in GLVND's own folders.
std::vector<std::string> vendor_libraries();

/// Loads them bound to their own symbols first; GLVND, when it opens them, gets them as they are. Those that cannot be
/// loaded are left to it.
void load_vendors_with_their_own_symbols();

}  // namespace dstorch::webgl
