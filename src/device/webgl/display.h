#pragma once

#include <string_view>
#include <vector>

#include "device/webgl/gles.h"

namespace dstorch::webgl {

/// Whether `word` is one of those of a list with spaces between, as extensions are listed. `list` may be null.
bool has_word(const char* list, std::string_view word);

/// Displays that need no window system, graphics cards first, then whatever the platform has. Not initialized.
std::vector<EGLDisplay> find_displays(const Egl& egl);

/// What a thread makes current.
struct EglContext {
  EGLContext context = EGL_NO_CONTEXT;
  EGLSurface surface = EGL_NO_SURFACE;  ///< One pixel, where the driver wants a surface.
};

/// A context of OpenGL ES 3.1 on an initialized display. Throws LMError{unsupported}.
EglContext create_context(const Egl& egl, EGLDisplay display);

}  // namespace dstorch::webgl
