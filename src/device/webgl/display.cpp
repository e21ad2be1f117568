#include "device/webgl/display.h"

#include <array>

#include "core/throw.h"

namespace dstorch::webgl {

bool has_word(const char* list, std::string_view word) {
  std::string_view words = list == nullptr ? "" : list;
  while (!words.empty()) {
    const auto end = words.find(' ');
    if (words.substr(0, end) == word) {
      return true;
    }
    words.remove_prefix(end == std::string_view::npos ? words.size() : end + 1);
  }
  return false;
}

std::vector<EGLDisplay> find_displays(const Egl& egl) {
  const char* extensions = egl.QueryString(EGL_NO_DISPLAY, EGL_EXTENSIONS);
  const auto get_platform_display =
      reinterpret_cast<PFNEGLGETPLATFORMDISPLAYEXTPROC>(egl.GetProcAddress("eglGetPlatformDisplayEXT"));
  std::vector<EGLDisplay> displays;
  if (get_platform_display != nullptr && has_word(extensions, "EGL_EXT_platform_device")) {
    // A GPU before the processor: Mesa lists its software renderer last.
    const auto query_devices = reinterpret_cast<PFNEGLQUERYDEVICESEXTPROC>(egl.GetProcAddress("eglQueryDevicesEXT"));
    std::array<EGLDeviceEXT, 16> devices{};
    EGLint count = 0;
    if (query_devices != nullptr &&
        query_devices(static_cast<EGLint>(devices.size()), devices.data(), &count) == EGL_TRUE) {
      for (EGLint i = 0; i < count; ++i) {
        displays.push_back(
            get_platform_display(EGL_PLATFORM_DEVICE_EXT, devices[static_cast<std::size_t>(i)], nullptr));
      }
    }
  }
  if (get_platform_display != nullptr && has_word(extensions, "EGL_MESA_platform_surfaceless")) {
    displays.push_back(get_platform_display(EGL_PLATFORM_SURFACELESS_MESA, EGL_DEFAULT_DISPLAY, nullptr));
  }
  displays.push_back(egl.GetDisplay(EGL_DEFAULT_DISPLAY));
  return displays;
}

namespace {

/// Of the context, and of the surface if there must be one.
EGLConfig choose_config(const Egl& egl, EGLDisplay display, bool surfaceless) {
  // Without a word on surfaces EGL asks for windows, which such displays do not have.
  const std::array<EGLint, 5> wanted{EGL_RENDERABLE_TYPE, EGL_OPENGL_ES3_BIT, EGL_SURFACE_TYPE,
                                     surfaceless ? 0 : EGL_PBUFFER_BIT, EGL_NONE};
  EGLConfig config = EGL_NO_CONFIG_KHR;
  EGLint count = 0;
  egl.ChooseConfig(display, wanted.data(), &config, 1, &count);
  require(count > 0, ErrorKind::unsupported,
          "device webgl needs OpenGL ES 3.1, but the driver ({}) offers no configuration for it; use --device cpu",
          egl.QueryString(display, EGL_VENDOR));
  return config;
}

EGLContext try_create(const Egl& egl, EGLDisplay display, EGLConfig config, bool robust) {
  std::vector<EGLint> attributes{EGL_CONTEXT_MAJOR_VERSION, 3, EGL_CONTEXT_MINOR_VERSION, 1};
  if (robust) {
    attributes.insert(attributes.end(),
                      {EGL_CONTEXT_OPENGL_RESET_NOTIFICATION_STRATEGY_EXT, EGL_LOSE_CONTEXT_ON_RESET_EXT});
  }
  attributes.push_back(EGL_NONE);
  return egl.CreateContext(display, config, EGL_NO_CONTEXT, attributes.data());
}

}  // namespace

EglContext create_context(const Egl& egl, EGLDisplay display) {
  const char* extensions = egl.QueryString(display, EGL_EXTENSIONS);
  const bool surfaceless = has_word(extensions, "EGL_KHR_surfaceless_context");
  const bool any_config = surfaceless && has_word(extensions, "EGL_KHR_no_config_context");
  const EGLConfig config = any_config ? EGL_NO_CONFIG_KHR : choose_config(egl, display, surfaceless);
  const auto api = egl.QueryAPI();
  egl.BindAPI(EGL_OPENGL_ES_API);
  EglContext made;
  if (has_word(extensions, "EGL_EXT_create_context_robustness")) {
    // A driver reset is then reported instead of ignored. Some list it and refuse it.
    made.context = try_create(egl, display, config, true);
  }
  if (made.context == EGL_NO_CONTEXT) {
    made.context = try_create(egl, display, config, false);
  }
  const auto error = egl.GetError();
  if (api != EGL_NONE) {
    egl.BindAPI(api);
  }
  require(made.context != EGL_NO_CONTEXT, ErrorKind::unsupported,
          "device webgl needs OpenGL ES 3.1, which the driver ({}) does not offer ({}); use --device cpu",
          egl.QueryString(display, EGL_VENDOR), egl_error_name(error));
  if (!surfaceless) {
    constexpr std::array<EGLint, 5> one_pixel{EGL_WIDTH, 1, EGL_HEIGHT, 1, EGL_NONE};
    made.surface = egl.CreatePbufferSurface(display, config, one_pixel.data());
    if (made.surface == EGL_NO_SURFACE) {
      const auto reason = egl.GetError();
      egl.DestroyContext(display, made.context);
      fail(
          ErrorKind::unsupported,
          "device webgl needs an EGL that works without a window: EGL_KHR_surfaceless_context or a surface off screen. "
          "This driver ({}) has neither ({}); use --device cpu",
          egl.QueryString(display, EGL_VENDOR), egl_error_name(reason));
    }
  }
  return made;
}

}  // namespace dstorch::webgl
