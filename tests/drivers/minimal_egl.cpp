// An EGL library over the machine's own whose driver has no more than OpenGL ES 3.1 promises: no extension, four
// storage buffers, work groups of 128, bindings at multiples of 256, a surface for every context. It refuses what
// exceeds that, as such a driver does. $DSTORCH_EGL_LIBRARY names it.
// $DSTORCH_TEST_DRIVER makes it a bad one: "WHERE HOW", WHERE initialize or shader, HOW crash, abort, exit or hang.
#include <dlfcn.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include "device/webgl/gles.h"

namespace {

constexpr GLint kBlocks = 4;
constexpr GLint kInvocations = 128;
constexpr GLint kAlignment = 256;
constexpr GLint64 kBlockBytes = GLint64{1} << 27;

void* real_symbol(const char* name) {
  static void* const library = ::dlopen("libEGL.so.1", RTLD_NOW | RTLD_LOCAL);
  return ::dlsym(library, name);
}

template <typename Function>
Function real(const char* name) {
  return reinterpret_cast<Function>(real_symbol(name));
}

template <typename Function>
Function real_gl(const char* name) {
  return reinterpret_cast<Function>(real<PFNEGLGETPROCADDRESSPROC>("eglGetProcAddress")(name));
}

GLenum pending_error = GL_NO_ERROR;
EGLint pending_egl_error = EGL_SUCCESS;

void fail_if_told(const char* where) {
  const char* told = std::getenv("DSTORCH_TEST_DRIVER");
  const std::string how = told == nullptr ? "" : told;
  const auto here = [&](const char* what) { return how == std::string(where) + " " + what; };
  if (here("crash")) {
    ::signal(SIGSEGV, SIG_DFL);  // not the sanitizers' handler
    ::raise(SIGSEGV);
  }
  if (here("abort")) {
    std::fputs("the driver has lost its mind\n", stderr);
    std::abort();
  }
  if (here("exit")) {
    ::_exit(3);
  }
  while (here("hang")) {
    ::pause();
  }
}

GLenum get_error() {
  if (pending_error != GL_NO_ERROR) {
    return std::exchange(pending_error, static_cast<GLenum>(GL_NO_ERROR));
  }
  return real_gl<PFNGLGETERRORPROC>("glGetError")();
}

const GLubyte* get_string(GLenum name) {
  const auto text = [](const char* s) { return reinterpret_cast<const GLubyte*>(s); };
  const auto* own = real_gl<PFNGLGETSTRINGPROC>("glGetString")(name);
  if (name == GL_EXTENSIONS) {
    return text("");
  }
  if (name == GL_VERSION) {
    return text("OpenGL ES 3.1");
  }
  if (name == GL_RENDERER) {
    static const std::string renderer = std::string("minimal over ") + reinterpret_cast<const char*>(own);
    return text(renderer.c_str());
  }
  return own;
}

void get_integer(GLenum name, GLint* value) {
  switch (name) {
    case GL_MAJOR_VERSION:
      *value = 3;
      return;
    case GL_MINOR_VERSION:
      *value = 1;
      return;
    case GL_MAX_COMPUTE_SHADER_STORAGE_BLOCKS:
      *value = kBlocks;
      return;
    case GL_MAX_COMPUTE_WORK_GROUP_INVOCATIONS:
      *value = kInvocations;
      return;
    case GL_SHADER_STORAGE_BUFFER_OFFSET_ALIGNMENT:
      *value = kAlignment;
      return;
    default:
      real_gl<PFNGLGETINTEGERVPROC>("glGetIntegerv")(name, value);
  }
}

void get_integer64(GLenum name, GLint64* value) {
  real_gl<PFNGLGETINTEGER64VPROC>("glGetInteger64v")(name, value);
  if (name == GL_MAX_SHADER_STORAGE_BLOCK_SIZE) {
    *value = kBlockBytes;
  }
}

void bind_buffer_range(GLenum target, GLuint index, GLuint buffer, GLintptr offset, GLsizeiptr size) {
  if (index >= kBlocks || offset % kAlignment != 0 || size > kBlockBytes) {
    pending_error = GL_INVALID_VALUE;
    return;
  }
  real_gl<PFNGLBINDBUFFERRANGEPROC>("glBindBufferRange")(target, index, buffer, offset, size);
}

void dispatch(GLuint x, GLuint y, GLuint z) {
  fail_if_told("shader");
  real_gl<PFNGLDISPATCHCOMPUTEPROC>("glDispatchCompute")(x, y, z);
}

void get_program(GLuint program, GLenum name, GLint* value) {
  const auto get = real_gl<PFNGLGETPROGRAMIVPROC>("glGetProgramiv");
  get(program, name, value);
  if (name == GL_LINK_STATUS && *value == GL_TRUE) {
    std::array<GLint, 3> size{};
    get(program, GL_COMPUTE_WORK_GROUP_SIZE, size.data());
    GLint blocks = 0;
    real_gl<PFNGLGETPROGRAMINTERFACEIVPROC>("glGetProgramInterfaceiv")(program, GL_SHADER_STORAGE_BLOCK,
                                                                       GL_ACTIVE_RESOURCES, &blocks);
    *value = size[0] * size[1] * size[2] <= kInvocations && size[2] <= 64 && blocks <= kBlocks ? GL_TRUE : GL_FALSE;
  }
}

}  // namespace

extern "C" {

EGLBoolean eglBindAPI(EGLenum api) { return real<PFNEGLBINDAPIPROC>("eglBindAPI")(api); }
EGLenum eglQueryAPI() { return real<PFNEGLQUERYAPIPROC>("eglQueryAPI")(); }
EGLDisplay eglGetDisplay(EGLNativeDisplayType native) { return real<PFNEGLGETDISPLAYPROC>("eglGetDisplay")(native); }
EGLContext eglGetCurrentContext() { return real<PFNEGLGETCURRENTCONTEXTPROC>("eglGetCurrentContext")(); }
EGLDisplay eglGetCurrentDisplay() { return real<PFNEGLGETCURRENTDISPLAYPROC>("eglGetCurrentDisplay")(); }
EGLSurface eglGetCurrentSurface(EGLint which) {
  return real<PFNEGLGETCURRENTSURFACEPROC>("eglGetCurrentSurface")(which);
}
EGLBoolean eglInitialize(EGLDisplay display, EGLint* major, EGLint* minor) {
  fail_if_told("initialize");
  return real<PFNEGLINITIALIZEPROC>("eglInitialize")(display, major, minor);
}
EGLBoolean eglDestroyContext(EGLDisplay display, EGLContext context) {
  return real<PFNEGLDESTROYCONTEXTPROC>("eglDestroyContext")(display, context);
}
EGLBoolean eglChooseConfig(EGLDisplay display, const EGLint* wanted, EGLConfig* configs, EGLint size, EGLint* count) {
  return real<PFNEGLCHOOSECONFIGPROC>("eglChooseConfig")(display, wanted, configs, size, count);
}
EGLSurface eglCreatePbufferSurface(EGLDisplay display, EGLConfig config, const EGLint* attributes) {
  return real<PFNEGLCREATEPBUFFERSURFACEPROC>("eglCreatePbufferSurface")(display, config, attributes);
}

EGLint eglGetError() {
  const auto error = real<PFNEGLGETERRORPROC>("eglGetError")();
  return pending_egl_error != EGL_SUCCESS ? std::exchange(pending_egl_error, EGL_SUCCESS) : error;
}

const char* eglQueryString(EGLDisplay display, EGLint name) {
  // Those of the client say how to come by a display.
  return display != EGL_NO_DISPLAY && name == EGL_EXTENSIONS
             ? ""
             : real<PFNEGLQUERYSTRINGPROC>("eglQueryString")(display, name);
}

EGLContext eglCreateContext(EGLDisplay display, EGLConfig config, EGLContext shared, const EGLint* attributes) {
  if (config == EGL_NO_CONFIG_KHR) {
    pending_egl_error = EGL_BAD_CONFIG;
    return EGL_NO_CONTEXT;
  }
  for (const auto* attribute = attributes; *attribute != EGL_NONE; attribute += 2) {
    if (*attribute != EGL_CONTEXT_MAJOR_VERSION && *attribute != EGL_CONTEXT_MINOR_VERSION) {
      pending_egl_error = EGL_BAD_ATTRIBUTE;
      return EGL_NO_CONTEXT;
    }
  }
  return real<PFNEGLCREATECONTEXTPROC>("eglCreateContext")(display, config, shared, attributes);
}

EGLBoolean eglMakeCurrent(EGLDisplay display, EGLSurface draw, EGLSurface read, EGLContext context) {
  if (context != EGL_NO_CONTEXT && (draw == EGL_NO_SURFACE || read == EGL_NO_SURFACE)) {
    pending_egl_error = EGL_BAD_MATCH;
    return EGL_FALSE;
  }
  return real<PFNEGLMAKECURRENTPROC>("eglMakeCurrent")(display, draw, read, context);
}

__eglMustCastToProperFunctionPointerType eglGetProcAddress(const char* name) {
  using Any = __eglMustCastToProperFunctionPointerType;
  const std::string asked = name;
  if (asked == "glGetError") return reinterpret_cast<Any>(&get_error);
  if (asked == "glGetString") return reinterpret_cast<Any>(&get_string);
  if (asked == "glGetIntegerv") return reinterpret_cast<Any>(&get_integer);
  if (asked == "glGetInteger64v") return reinterpret_cast<Any>(&get_integer64);
  if (asked == "glBindBufferRange") return reinterpret_cast<Any>(&bind_buffer_range);
  if (asked == "glDispatchCompute") return reinterpret_cast<Any>(&dispatch);
  if (asked == "glGetProgramiv") return reinterpret_cast<Any>(&get_program);
  if (asked.starts_with("glTexBuffer")) return nullptr;
  return real<PFNEGLGETPROCADDRESSPROC>("eglGetProcAddress")(name);
}
}
