#include "device/webgl/launch.h"

#include <array>
#include <unordered_map>

#include "core/throw.h"

namespace dstorch::webgl {

struct Program {
  GLuint id = 0;
  std::unordered_map<std::string, GLint> locations;
};

namespace {

/// NaN by its bits, since drivers may assume that there is none. Half precision by hand where theirs may round towards
/// zero or make nothing of subnormal numbers.
constexpr const char* kCommon = R"(precision highp float;
precision highp int;
bool is_nan(float v) { return (floatBitsToUint(v) & 0x7FFFFFFFu) > 0x7F800000u; }
bool is_nan(int v) { return false; }
float half_to_float(uint w) {
  float subnormal = float(w & 1023u) * 5.9604644775390625e-8;
  return (w & 0x7C00u) != 0u ? unpackHalf2x16(w).x : (w & 0x8000u) != 0u ? -subnormal : subnormal;
}
uint float_to_half(float v) {
  uint b = floatBitsToUint(v);
  uint negative = (b >> 16) & 0x8000u;
  b &= 0x7FFFFFFFu;
  if (b >= 0x47800000u) { return negative | (b > 0x7F800000u ? 0x7E00u : 0x7C00u); }
  if (b < 0x38800000u) { return negative | uint(roundEven(abs(v) * 16777216.0)); }
  return negative | ((b + 0xFFFu + ((b >> 13) & 1u) - 0x38000000u) >> 13);
}
)";

struct TexelNames {
  GLenum format;
  const char* sampler;
  const char* type;
  const char* swizzle;
};

TexelNames names_of(Texel texel) {
  switch (texel) {
    case Texel::f32:
      return {GL_R32F, "samplerBuffer", "float", ".x"};
    case Texel::i32:
      return {GL_R32I, "isamplerBuffer", "int", ".x"};
    case Texel::u32:
      return {GL_R32UI, "usamplerBuffer", "uint", ".x"};
    case Texel::f32x4:
      break;
  }
  return {GL_RGBA32F, "samplerBuffer", "vec4", ""};
}

std::string shader_log(const Gl& gl, GLuint shader) {
  std::array<char, 4096> log{};
  gl.GetShaderInfoLog(shader, static_cast<GLsizei>(log.size()), nullptr, log.data());
  return log.data();
}

std::string program_log(const Gl& gl, GLuint program) {
  std::array<char, 4096> log{};
  gl.GetProgramInfoLog(program, static_cast<GLsizei>(log.size()), nullptr, log.data());
  return log.data();
}

GLuint compile(Context& context, const std::string& key, const std::string& source) {
  const auto& gl = context.gl();
  const auto text = context.limits().header + kCommon + source;
  const char* data = text.c_str();
  const GLuint shader = gl.CreateShader(GL_COMPUTE_SHADER);
  gl.ShaderSource(shader, 1, &data, nullptr);
  gl.CompileShader(shader);
  GLint done = GL_FALSE;
  gl.GetShaderiv(shader, GL_COMPILE_STATUS, &done);
  if (done != GL_TRUE) {
    const auto log = shader_log(gl, shader);
    gl.DeleteShader(shader);
    fail(ErrorKind::internal, "webgl: the driver ({}) refuses the shader {}: {}", context.description().renderer, key,
         log);
  }
  const GLuint program = gl.CreateProgram();
  gl.AttachShader(program, shader);
  gl.LinkProgram(program);
  gl.DeleteShader(shader);
  gl.GetProgramiv(program, GL_LINK_STATUS, &done);
  if (done != GL_TRUE) {
    const auto log = program_log(gl, program);
    gl.DeleteProgram(program);
    fail(ErrorKind::internal, "webgl: the driver ({}) refuses to link the shader {}: {}",
         context.description().renderer, key, log);
  }
  return program;
}

/// Of the current context; guarded by it.
Program& find_program(Context& context, const std::string& key, const std::function<std::string()>& source) {
  static uint64_t generation = 0;
  static std::unordered_map<std::string, Program> programs;
  if (generation != context.generation()) {
    programs.clear();  // they went with the context that was lost
    generation = context.generation();
  }
  const auto known = programs.find(key);
  if (known != programs.end()) {
    return known->second;
  }
  Program program;
  program.id = compile(context, key, source());
  return programs.emplace(key, std::move(program)).first->second;
}

GLint location(const Gl& gl, Program& program, const char* name) {
  const auto [entry, added] = program.locations.try_emplace(name, -1);
  if (added) {
    entry->second = gl.GetUniformLocation(program.id, name);
  }
  return entry->second;
}

}  // namespace

std::string read_buffer(const std::string& name, int slot, Texel texel) {
  const auto words = names_of(texel);
  if (Context::get().limits().tex_buffer_range != nullptr) {
    return fmt::format(
        "layout(binding = {1}) uniform {2} texels_{0};\n{3} fetch_{0}(int i) {{ return texelFetch(texels_{0}, i){4}; "
        "}}\n",
        name, slot, words.sampler, words.type, words.swizzle);
  }
  return fmt::format(
      "layout(std430, binding = {1}) readonly buffer Texels_{0} {{ {2} texels_{0}[]; }};\n"
      "{2} fetch_{0}(int i) {{ return texels_{0}[i]; }}\n",
      name, slot + 1, words.type);
}

std::string flat_index(int64_t local_size) {
  return fmt::format(R"(layout(local_size_x = {0}) in;
int flat_index() {{
  return (int(gl_WorkGroupID.y) * int(gl_NumWorkGroups.x) + int(gl_WorkGroupID.x)) * {0} + int(gl_LocalInvocationID.x);
}}
)",
                     local_size);
}

Launch::Launch(const std::string& key, const std::function<std::string()>& source)
    : context_(Context::get()), scope_(context_), program_(&find_program(context_, key, source)) {
  context_.gl().UseProgram(program_->id);
}

Launch& Launch::read(int slot, const Buffer& buffer, int64_t offset, int64_t bytes, Texel texel) {
  const auto tex_buffer_range = context_.limits().tex_buffer_range;
  if (tex_buffer_range == nullptr) {
    return bind_storage(slot + 1, buffer, offset, bytes);
  }
  context_.require_alive(buffer);
  const auto& gl = context_.gl();
  gl.ActiveTexture(static_cast<GLenum>(GL_TEXTURE0 + slot));
  gl.BindTexture(GL_TEXTURE_BUFFER_EXT, context_.texture(slot));
  tex_buffer_range(GL_TEXTURE_BUFFER_EXT, names_of(texel).format, buffer.id, static_cast<GLintptr>(offset),
                   static_cast<GLsizeiptr>(bytes));
  return *this;
}

Launch& Launch::write(const Buffer& buffer, int64_t offset, int64_t bytes) {
  return bind_storage(0, buffer, offset, bytes);
}

Launch& Launch::bind_storage(int binding, const Buffer& buffer, int64_t offset, int64_t bytes) {
  context_.require_alive(buffer);
  context_.gl().BindBufferRange(GL_SHADER_STORAGE_BUFFER, static_cast<GLuint>(binding), buffer.id,
                                static_cast<GLintptr>(offset), static_cast<GLsizeiptr>(bytes));
  return *this;
}

Launch& Launch::set(const char* name, int64_t value) {
  const auto number = static_cast<int>(value);
  return set(name, std::span<const int>(&number, 1));
}

Launch& Launch::set(const char* name, double value) {
  const auto number = static_cast<float>(value);
  context_.gl().Uniform1fv(location(context_.gl(), *program_, name), 1, &number);
  return *this;
}

Launch& Launch::set(const char* name, std::span<const int> values) {
  context_.gl().Uniform1iv(location(context_.gl(), *program_, name), static_cast<GLsizei>(values.size()),
                           values.data());
  return *this;
}

void Launch::run(int64_t groups_x, int64_t groups_y, int64_t groups_z) {
  if (groups_x == 0 || groups_y == 0 || groups_z == 0) {
    return;
  }
  const auto most = context_.limits().groups;
  require(groups_x <= most && groups_y <= most && groups_z <= most, ErrorKind::unsupported,
          "webgl: {} x {} x {} work groups are more than the {} a dispatch may have in one direction; use smaller "
          "tensors or --device cpu",
          groups_x, groups_y, groups_z, most);
  const auto& gl = context_.gl();
  gl.DispatchCompute(static_cast<GLuint>(groups_x), static_cast<GLuint>(groups_y), static_cast<GLuint>(groups_z));
  ++context_.dispatches;
  // Whatever comes next may read what was written, as a shader or as a copy.
  gl.MemoryBarrier(GL_SHADER_STORAGE_BARRIER_BIT | GL_BUFFER_UPDATE_BARRIER_BIT | GL_TEXTURE_FETCH_BARRIER_BIT);
  context_.check("a dispatch");
}

void Launch::run_flat(int64_t invocations, int64_t local_size) {
  const auto groups = (invocations + local_size - 1) / local_size;
  const auto most = context_.limits().groups;
  if (groups <= most) {
    run(groups);
  } else {
    const auto rows = (groups + most - 1) / most;
    run((groups + rows - 1) / rows, rows);
  }
}

void compile_only(const std::string& source) {
  auto& context = Context::get();
  const Context::Scope scope(context);
  context.gl().DeleteProgram(compile(context, "given", source));
}

}  // namespace dstorch::webgl
