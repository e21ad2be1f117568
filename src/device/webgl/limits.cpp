#include "device/webgl/limits.h"

#include <algorithm>

#include "core/throw.h"
#include "device/webgl/display.h"

namespace dstorch::webgl {
namespace {

/// Of OpenGL ES 3.1: what every driver shows of a storage buffer, the work groups it takes in one direction, and the
/// invocations in one.
constexpr int64_t kLeastBlock = int64_t{1} << 27;
constexpr int64_t kGroups = 65535;
constexpr int64_t kInvocations = 128;

std::string text_of(const GLubyte* text) { return text == nullptr ? "" : reinterpret_cast<const char*>(text); }

int64_t number(const Gl& gl, GLenum name) {
  GLint value = 0;
  gl.GetIntegerv(name, &value);
  return value;
}

/// Buffer textures are an extension under two names, and part of OpenGL ES 3.2.
struct TextureBuffers {
  const char* extension;
  const char* function;
  const char* header;
};
constexpr TextureBuffers kTextureBuffers[] = {
    {"GL_EXT_texture_buffer", "glTexBufferRangeEXT", "#version 310 es\n#extension GL_EXT_texture_buffer : require\n"},
    {"GL_OES_texture_buffer", "glTexBufferRangeOES", "#version 310 es\n#extension GL_OES_texture_buffer : require\n"},
    {nullptr, "glTexBufferRange", "#version 320 es\n"},
};

}  // namespace

Limits read_limits(const Egl& egl, const Gl& gl, Description& description) {
  description = {};
  description.renderer = text_of(gl.GetString(GL_RENDERER));
  description.version = text_of(gl.GetString(GL_VERSION));
  for (const char* name : {"llvmpipe", "softpipe", "swrast", "SwiftShader", "Basic Render"}) {
    description.software = description.software || description.renderer.find(name) != std::string::npos;
  }
  const auto version = 10 * number(gl, GL_MAJOR_VERSION) + number(gl, GL_MINOR_VERSION);
  const auto blocks = number(gl, GL_MAX_COMPUTE_SHADER_STORAGE_BLOCKS);
  const auto invocations = number(gl, GL_MAX_COMPUTE_WORK_GROUP_INVOCATIONS);
  require(version >= 31 && blocks >= 1 + kReads && invocations >= kInvocations, ErrorKind::unsupported,
          "device webgl needs OpenGL ES 3.1, {} storage buffers and work groups of {} in a compute shader; {} has {} "
          "buffers and work groups of {} in {}. Use --device cpu",
          1 + kReads, kInvocations, description.renderer, blocks, invocations, description.version);
  Limits limits;
  GLint64 block = 0;
  gl.GetInteger64v(GL_MAX_SHADER_STORAGE_BLOCK_SIZE, &block);
  limits.block_bytes = block > 0 ? block : kLeastBlock;  // 4 GiB and more have come back as nothing or less
  limits.offset_alignment = std::max<int64_t>(number(gl, GL_SHADER_STORAGE_BUFFER_OFFSET_ALIGNMENT), kVec4Bytes);
  limits.groups = kGroups;
  limits.work = kMostWork;
  limits.software = description.software;
  limits.header = "#version 310 es\n";
  const auto extensions = text_of(gl.GetString(GL_EXTENSIONS));
  for (const auto& way : kTextureBuffers) {
    const auto function = reinterpret_cast<PFNGLTEXBUFFERRANGEEXTPROC>(egl.GetProcAddress(way.function));
    const bool there = way.extension == nullptr ? version >= 32 : has_word(extensions.c_str(), way.extension);
    if (function == nullptr || !there) {
      continue;
    }
    // As little as 65536 numbers are allowed, and some drivers show no more; a storage buffer then shows far more.
    const auto shown = number(gl, GL_MAX_TEXTURE_BUFFER_SIZE_EXT) * static_cast<int64_t>(sizeof(float));
    if (shown >= std::min(limits.block_bytes, kLeastBlock)) {
      limits.tex_buffer_range = function;
      limits.header = way.header;
      limits.header +=
          "precision highp samplerBuffer;\nprecision highp isamplerBuffer;\nprecision highp usamplerBuffer;\n";
      limits.block_bytes = std::min(limits.block_bytes, shown);
      limits.offset_alignment = std::max(limits.offset_alignment, number(gl, GL_TEXTURE_BUFFER_OFFSET_ALIGNMENT_EXT));
    }
    break;
  }
  description.max_block_bytes = limits.block_bytes;
  return limits;
}

}  // namespace dstorch::webgl
