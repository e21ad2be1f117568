#include "device/webgl/context.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <string_view>
#include <vector>

#include "core/throw.h"

namespace dstorch::webgl {
namespace {

constexpr GLenum kContextLost = 0x0507;
constexpr int64_t kVec4Bytes = 16;

std::atomic<int64_t> allocated{0};
std::atomic<int64_t> peak{0};
std::atomic<int64_t> reads{0};
std::atomic<int64_t> read_bytes{0};
std::atomic<int64_t> writes{0};
std::atomic<int64_t> written_bytes{0};
std::atomic<Context*> instance{nullptr};

void count_bytes(int64_t bytes) noexcept {
  const auto now = allocated.fetch_add(bytes) + bytes;
  auto most = peak.load();
  while (now > most && !peak.compare_exchange_weak(most, now)) {
  }
}

std::string text_of(const GLubyte* text) { return text == nullptr ? "" : reinterpret_cast<const char*>(text); }

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

/// A display that needs no window system, or whatever the platform has.
EGLDisplay find_display(const Egl& egl) {
  const char* extensions = egl.QueryString(EGL_NO_DISPLAY, EGL_EXTENSIONS);
  const auto get_platform_display =
      reinterpret_cast<PFNEGLGETPLATFORMDISPLAYEXTPROC>(egl.GetProcAddress("eglGetPlatformDisplayEXT"));
  std::vector<EGLDisplay> candidates;
  if (get_platform_display != nullptr && has_word(extensions, "EGL_EXT_platform_device")) {
    // A GPU before the processor: Mesa lists its software renderer last.
    const auto query_devices = reinterpret_cast<PFNEGLQUERYDEVICESEXTPROC>(egl.GetProcAddress("eglQueryDevicesEXT"));
    std::array<EGLDeviceEXT, 8> devices{};
    EGLint count = 0;
    if (query_devices != nullptr && egl.QueryString(EGL_NO_DISPLAY, EGL_EXTENSIONS) != nullptr &&
        query_devices(static_cast<EGLint>(devices.size()), devices.data(), &count) == EGL_TRUE) {
      for (EGLint i = 0; i < count; ++i) {
        candidates.push_back(
            get_platform_display(EGL_PLATFORM_DEVICE_EXT, devices[static_cast<std::size_t>(i)], nullptr));
      }
    }
  }
  if (get_platform_display != nullptr && has_word(extensions, "EGL_MESA_platform_surfaceless")) {
    candidates.push_back(get_platform_display(EGL_PLATFORM_SURFACELESS_MESA, EGL_DEFAULT_DISPLAY, nullptr));
  }
  candidates.push_back(egl.GetDisplay(EGL_DEFAULT_DISPLAY));
  for (auto* display : candidates) {
    if (display != EGL_NO_DISPLAY && egl.Initialize(display, nullptr, nullptr) == EGL_TRUE) {
      return display;
    }
  }
  fail(ErrorKind::unsupported,
       "device webgl needs an EGL display, but no driver offers one ({}); install libgl1-mesa-dri, which runs on the "
       "CPU, or use --device cpu",
       egl_error_name(egl.GetError()));
}

}  // namespace

Context& Context::get() {
  static Context* const context = [] {
    instance = new Context();  // never deleted: tensors may outlive every static object
    return instance.load();
  }();
  return *context;
}

Context* Context::existing() noexcept { return instance; }

Context::Context() : egl_(Egl::load()) {
  display_ = find_display(egl_);
  require(has_word(egl_.QueryString(display_, EGL_EXTENSIONS), "EGL_KHR_surfaceless_context"), ErrorKind::unsupported,
          "device webgl needs an EGL that works without a window (EGL_KHR_surfaceless_context); this driver ({}) does "
          "not. Use --device cpu",
          egl_.QueryString(display_, EGL_VENDOR));
  open();
}

void Context::open() {
  const auto api = egl_.QueryAPI();
  egl_.BindAPI(EGL_OPENGL_ES_API);
  EGLConfig config = EGL_NO_CONFIG_KHR;
  const char* extensions = egl_.QueryString(display_, EGL_EXTENSIONS);
  if (!has_word(extensions, "EGL_KHR_no_config_context")) {
    constexpr std::array<EGLint, 3> wanted{EGL_RENDERABLE_TYPE, EGL_OPENGL_ES3_BIT, EGL_NONE};
    EGLint count = 0;
    egl_.ChooseConfig(display_, wanted.data(), &config, 1, &count);
  }
  std::vector<EGLint> attributes{EGL_CONTEXT_MAJOR_VERSION, 3, EGL_CONTEXT_MINOR_VERSION, 1};
  if (has_word(extensions, "EGL_EXT_create_context_robustness")) {
    // A driver reset is then reported instead of ignored.
    attributes.insert(attributes.end(),
                      {EGL_CONTEXT_OPENGL_RESET_NOTIFICATION_STRATEGY_EXT, EGL_LOSE_CONTEXT_ON_RESET_EXT});
  }
  attributes.push_back(EGL_NONE);
  context_ = egl_.CreateContext(display_, config, EGL_NO_CONTEXT, attributes.data());
  const auto error = egl_.GetError();
  if (api != EGL_NONE) {
    egl_.BindAPI(api);
  }
  require(context_ != EGL_NO_CONTEXT, ErrorKind::unsupported,
          "device webgl needs OpenGL ES 3.1, which the driver does not offer ({}); use --device cpu",
          egl_error_name(error));
  lost_ = false;
  ++generation_;
  if (gl_.GetError == nullptr) {
    gl_ = Gl::load(egl_);
  }
  const Scope scope(*this);
  const auto get = [&](GLenum name) {
    GLint value = 0;
    gl_.GetIntegerv(name, &value);
    return static_cast<int64_t>(value);
  };
  GLint64 block = 0;
  gl_.GetInteger64v(GL_MAX_SHADER_STORAGE_BLOCK_SIZE, &block);
  description_.renderer = text_of(gl_.GetString(GL_RENDERER));
  description_.version = text_of(gl_.GetString(GL_VERSION));
  for (const char* name : {"llvmpipe", "softpipe", "swrast", "SwiftShader"}) {
    description_.software = description_.software || description_.renderer.find(name) != std::string::npos;
  }
  limits_.block_bytes = block;
  limits_.offset_alignment = std::max<int64_t>(get(GL_SHADER_STORAGE_BUFFER_OFFSET_ALIGNMENT), kVec4Bytes);
  limits_.groups = 65535;  // what OpenGL ES 3.1 promises
  limits_.software = description_.software;
  if (gl_.TexBufferRange != nullptr &&
      has_word(text_of(gl_.GetString(GL_EXTENSIONS)).c_str(), "GL_EXT_texture_buffer")) {
    limits_.texture_buffers = true;
    limits_.offset_alignment = std::max(limits_.offset_alignment, get(GL_TEXTURE_BUFFER_OFFSET_ALIGNMENT_EXT));
    limits_.block_bytes = std::min(limits_.block_bytes, get(GL_MAX_TEXTURE_BUFFER_SIZE_EXT) * 4);
    gl_.GenTextures(kSlots, textures_.data());
  }
  description_.max_block_bytes = limits_.block_bytes;
  const auto bindings = get(GL_MAX_COMPUTE_SHADER_STORAGE_BLOCKS);
  require(bindings >= (limits_.texture_buffers ? 1 : 2) * kSlots && get(GL_MAX_COMPUTE_WORK_GROUP_INVOCATIONS) >= 128,
          ErrorKind::unsupported,
          "device webgl needs {} storage buffers and work groups of 128 in a compute shader; {} has {} buffers. Use "
          "--device cpu",
          2 * kSlots, description_.renderer, bindings);
  check("opening the context");
}

void Context::enter() {
  previous_display_ = egl_.GetCurrentDisplay();
  previous_context_ = egl_.GetCurrentContext();
  previous_draw_ = egl_.GetCurrentSurface(EGL_DRAW);
  previous_read_ = egl_.GetCurrentSurface(EGL_READ);
  if (egl_.MakeCurrent(display_, EGL_NO_SURFACE, EGL_NO_SURFACE, context_) != EGL_TRUE) {
    lost_ = true;
    fail(ErrorKind::inference,
         "the webgl context was lost ({}): the driver was reset. What was on the device is gone; free it and load the "
         "model again, or use --device cpu",
         egl_error_name(egl_.GetError()));
  }
}

void Context::leave() noexcept {
  if (previous_context_ != EGL_NO_CONTEXT) {
    egl_.MakeCurrent(previous_display_, previous_draw_, previous_read_, previous_context_);
  } else {
    egl_.MakeCurrent(display_, EGL_NO_SURFACE, EGL_NO_SURFACE, EGL_NO_CONTEXT);
  }
}

Context::Scope::Scope(Context& context) : lock_(context.mutex_), context_(context) {
  if (context_.lost_ && context_.live_buffers_ == 0) {
    context_.open();
  }
  if (context_.depth_ == 0) {
    context_.enter();
  }
  ++context_.depth_;
}

Context::Scope::~Scope() {
  if (--context_.depth_ == 0) {
    context_.leave();
  }
}

void Context::check(const char* what) {
  const auto error = gl_.GetError();
  if (error == GL_NO_ERROR) {
    return;
  }
  if (error == kContextLost) {
    lost_ = true;
    fail(ErrorKind::inference,
         "the webgl context was lost during {}: the driver was reset. What was on the device is gone; free it and load "
         "the model again, or use --device cpu",
         what);
  }
  fail(error == GL_OUT_OF_MEMORY ? ErrorKind::out_of_memory : ErrorKind::internal, "webgl: {} failed with {}", what,
       gl_error_name(error));
}

std::unique_ptr<Buffer> Context::make_buffer(int64_t bytes) {
  const Scope scope(*this);
  auto buffer = std::make_unique<Buffer>();
  // Whole vec4, since shaders read by four; never empty, since an empty buffer cannot be bound.
  buffer->bytes = std::max(kVec4Bytes, (bytes + kVec4Bytes - 1) / kVec4Bytes * kVec4Bytes);
  buffer->generation = generation_;
  gl_.GenBuffers(1, &buffer->id);
  gl_.BindBuffer(GL_SHADER_STORAGE_BUFFER, buffer->id);
  gl_.BufferData(GL_SHADER_STORAGE_BUFFER, static_cast<GLsizeiptr>(buffer->bytes), nullptr, GL_DYNAMIC_COPY);
  const auto error = gl_.GetError();
  if (error != GL_NO_ERROR) {
    gl_.DeleteBuffers(1, &buffer->id);
    require(error != GL_OUT_OF_MEMORY, ErrorKind::out_of_memory,
            "the webgl device ({}) has no memory left for a buffer of {} bytes; {} are in use. Use a smaller model or "
            "context, or --device cpu",
            description_.renderer, bytes, memory().allocated);
    fail(ErrorKind::internal, "webgl: making a buffer of {} bytes failed with {}", bytes, gl_error_name(error));
  }
  ++live_buffers_;
  count_bytes(buffer->bytes);
  return buffer;
}

void Context::free_buffer(std::unique_ptr<Buffer> buffer) noexcept {
  const std::lock_guard lock(mutex_);
  --live_buffers_;
  allocated -= buffer->bytes;
  if (lost_ || buffer->generation != generation_) {
    return;
  }
  try {
    const Scope scope(*this);
    gl_.DeleteBuffers(1, &buffer->id);
  } catch (const LMError&) {
    // The context was lost just now, and the buffer with it.
  }
}

void Context::require_alive(const Buffer& buffer) const {
  require(buffer.generation == generation_, ErrorKind::inference,
          "this tensor was on a webgl context that was lost; load the model again");
}

void Context::upload(const Buffer& buffer, int64_t offset, const void* from, int64_t bytes) {
  if (bytes == 0) {
    return;
  }
  const Scope scope(*this);
  require_alive(buffer);
  gl_.BindBuffer(GL_SHADER_STORAGE_BUFFER, buffer.id);
  gl_.BufferSubData(GL_SHADER_STORAGE_BUFFER, static_cast<GLintptr>(offset), static_cast<GLsizeiptr>(bytes), from);
  check("copying to the device");
  ++writes;
  written_bytes += bytes;
}

void Context::download(const Buffer& buffer, int64_t offset, void* to, int64_t bytes) {
  if (bytes == 0) {
    return;
  }
  const Scope scope(*this);
  require_alive(buffer);
  gl_.BindBuffer(GL_SHADER_STORAGE_BUFFER, buffer.id);
  const void* from = gl_.MapBufferRange(GL_SHADER_STORAGE_BUFFER, static_cast<GLintptr>(offset),
                                        static_cast<GLsizeiptr>(bytes), GL_MAP_READ_BIT);
  check("reading from the device");
  require(from != nullptr, ErrorKind::internal, "webgl: reading {} bytes from the device failed", bytes);
  std::memcpy(to, from, static_cast<std::size_t>(bytes));
  gl_.UnmapBuffer(GL_SHADER_STORAGE_BUFFER);
  ++reads;
  read_bytes += bytes;
}

void Context::copy(const Buffer& from, int64_t from_offset, const Buffer& to, int64_t to_offset, int64_t bytes) {
  const Scope scope(*this);
  require_alive(from);
  require_alive(to);
  gl_.BindBuffer(GL_COPY_READ_BUFFER, from.id);
  gl_.BindBuffer(GL_COPY_WRITE_BUFFER, to.id);
  gl_.CopyBufferSubData(GL_COPY_READ_BUFFER, GL_COPY_WRITE_BUFFER, static_cast<GLintptr>(from_offset),
                        static_cast<GLintptr>(to_offset), static_cast<GLsizeiptr>(bytes));
  check("a copy on the device");
}

void Context::finish() {
  const Scope scope(*this);
  gl_.Finish();
  check("waiting for the device");
}

void Context::set_block_bytes(int64_t bytes) {
  const Scope scope(*this);
  limits_.block_bytes = bytes > 0 ? bytes : description_.max_block_bytes;
}

void Context::lose() {
  const std::lock_guard lock(mutex_);
  egl_.DestroyContext(display_, context_);
  lost_ = true;
}

Memory memory() noexcept { return {allocated, peak}; }

void reset_peak_memory() noexcept { peak = allocated.load(); }

Transfers transfers() noexcept { return {reads, read_bytes, writes, written_bytes}; }

void reset_transfers() noexcept {
  for (auto* counter : {&reads, &read_bytes, &writes, &written_bytes}) {
    *counter = 0;
  }
}

void synchronize() {
  if (auto* context = Context::existing()) {
    context->finish();
  }
}

}  // namespace dstorch::webgl
