#pragma once

#define EGL_NO_PLATFORM_SPECIFIC_TYPES
#define EGL_EGL_PROTOTYPES 0
#define GL_GLES_PROTOTYPES 0
#include <EGL/egl.h>
#include <EGL/eglext.h>
#include <GLES3/gl31.h>

// After the core header.
#include <GLES2/gl2ext.h>

#include <string>

namespace dstorch::webgl {

inline constexpr GLenum kContextLost = 0x0507;  // GL_CONTEXT_LOST of OpenGL ES 3.2

/// Every entry point used, by its name without the prefix.
#define DSTORCH_EGL_FUNCTIONS(X)                          \
  X(PFNEGLGETPROCADDRESSPROC, GetProcAddress)             \
  X(PFNEGLQUERYSTRINGPROC, QueryString)                   \
  X(PFNEGLGETDISPLAYPROC, GetDisplay)                     \
  X(PFNEGLINITIALIZEPROC, Initialize)                     \
  X(PFNEGLBINDAPIPROC, BindAPI)                           \
  X(PFNEGLQUERYAPIPROC, QueryAPI)                         \
  X(PFNEGLCHOOSECONFIGPROC, ChooseConfig)                 \
  X(PFNEGLCREATECONTEXTPROC, CreateContext)               \
  X(PFNEGLCREATEPBUFFERSURFACEPROC, CreatePbufferSurface) \
  X(PFNEGLDESTROYCONTEXTPROC, DestroyContext)             \
  X(PFNEGLMAKECURRENTPROC, MakeCurrent)                   \
  X(PFNEGLGETCURRENTCONTEXTPROC, GetCurrentContext)       \
  X(PFNEGLGETCURRENTDISPLAYPROC, GetCurrentDisplay)       \
  X(PFNEGLGETCURRENTSURFACEPROC, GetCurrentSurface)       \
  X(PFNEGLGETERRORPROC, GetError)

#define DSTORCH_GL_FUNCTIONS(X)                      \
  X(PFNGLGETERRORPROC, GetError)                     \
  X(PFNGLGETSTRINGPROC, GetString)                   \
  X(PFNGLGETINTEGERVPROC, GetIntegerv)               \
  X(PFNGLGETINTEGER64VPROC, GetInteger64v)           \
  X(PFNGLCREATESHADERPROC, CreateShader)             \
  X(PFNGLSHADERSOURCEPROC, ShaderSource)             \
  X(PFNGLCOMPILESHADERPROC, CompileShader)           \
  X(PFNGLGETSHADERIVPROC, GetShaderiv)               \
  X(PFNGLGETSHADERINFOLOGPROC, GetShaderInfoLog)     \
  X(PFNGLDELETESHADERPROC, DeleteShader)             \
  X(PFNGLCREATEPROGRAMPROC, CreateProgram)           \
  X(PFNGLATTACHSHADERPROC, AttachShader)             \
  X(PFNGLLINKPROGRAMPROC, LinkProgram)               \
  X(PFNGLGETPROGRAMIVPROC, GetProgramiv)             \
  X(PFNGLGETPROGRAMINFOLOGPROC, GetProgramInfoLog)   \
  X(PFNGLDELETEPROGRAMPROC, DeleteProgram)           \
  X(PFNGLUSEPROGRAMPROC, UseProgram)                 \
  X(PFNGLGETUNIFORMLOCATIONPROC, GetUniformLocation) \
  X(PFNGLUNIFORM1IVPROC, Uniform1iv)                 \
  X(PFNGLUNIFORM1FVPROC, Uniform1fv)                 \
  X(PFNGLGENBUFFERSPROC, GenBuffers)                 \
  X(PFNGLDELETEBUFFERSPROC, DeleteBuffers)           \
  X(PFNGLBINDBUFFERPROC, BindBuffer)                 \
  X(PFNGLBINDBUFFERRANGEPROC, BindBufferRange)       \
  X(PFNGLBUFFERDATAPROC, BufferData)                 \
  X(PFNGLBUFFERSUBDATAPROC, BufferSubData)           \
  X(PFNGLCOPYBUFFERSUBDATAPROC, CopyBufferSubData)   \
  X(PFNGLMAPBUFFERRANGEPROC, MapBufferRange)         \
  X(PFNGLUNMAPBUFFERPROC, UnmapBuffer)               \
  X(PFNGLGENTEXTURESPROC, GenTextures)               \
  X(PFNGLBINDTEXTUREPROC, BindTexture)               \
  X(PFNGLACTIVETEXTUREPROC, ActiveTexture)           \
  X(PFNGLDISPATCHCOMPUTEPROC, DispatchCompute)       \
  X(PFNGLMEMORYBARRIERPROC, MemoryBarrier)           \
  X(PFNGLFINISHPROC, Finish)

/// EGL and OpenGL ES as found at run time, so that a machine without them can still use the CPU.
struct Egl {
#define X(type, name) type name = nullptr;
  DSTORCH_EGL_FUNCTIONS(X)
#undef X
  /// Loads the library that $DSTORCH_EGL_LIBRARY names, else libEGL.so.1. Throws LMError{unsupported}.
  static Egl load();
};

struct Gl {
#define X(type, name) type name = nullptr;
  DSTORCH_GL_FUNCTIONS(X)
#undef X
  /// Through eglGetProcAddress. Throws LMError{unsupported} naming the first entry point that is missing.
  static Gl load(const Egl& egl);
};

/// "EGL_BAD_ALLOC", "GL_OUT_OF_MEMORY", ...; the number in hexadecimal when it has no name.
std::string egl_error_name(EGLint error);
std::string gl_error_name(GLenum error);

}  // namespace dstorch::webgl
