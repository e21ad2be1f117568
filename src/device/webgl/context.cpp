#include "device/webgl/context.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <exception>

#include "core/throw.h"
#include "device/webgl/driver_trial.h"

namespace dstorch::webgl {
namespace {

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

}  // namespace

Context& Context::get() {
  static Context* const context = [] {
    require_surviving_driver();
    instance = new Context();  // never deleted: tensors may outlive every static object
    return instance.load();
  }();
  return *context;
}

Context* Context::existing() noexcept { return instance; }

Context::Context() : egl_(Egl::load()) {
  std::exception_ptr refusal;  // the first: a graphics card's, which comes before the processor
  EGLint reason = EGL_SUCCESS;
  for (auto* display : find_displays(egl_)) {
    if (display == EGL_NO_DISPLAY || egl_.Initialize(display, nullptr, nullptr) != EGL_TRUE) {
      reason = egl_.GetError();
      continue;
    }
    display_ = display;
    try {
      open();
      return;
    } catch (const LMError&) {
      refusal = refusal ? refusal : std::current_exception();
      if (context_.context != EGL_NO_CONTEXT) {
        egl_.DestroyContext(display, context_.context);
        context_ = {};
      }
    }
  }
  if (refusal) {
    std::rethrow_exception(refusal);
  }
  fail(ErrorKind::unsupported,
       "device webgl needs an EGL display, but no driver offers one ({}); install libgl1-mesa-dri, which runs on the "
       "CPU, or use --device cpu",
       egl_error_name(reason));
}

void Context::open() {
  context_ = create_context(egl_, display_);
  lost_ = false;
  ++generation_;
  if (gl_.GetError == nullptr) {
    gl_ = Gl::load(egl_);
  }
  const Scope scope(*this);
  limits_ = read_limits(egl_, gl_, description_);
  gl_.GenTextures(kReads, textures_.data());
  check("opening the context");
}

void Context::enter() {
  previous_display_ = egl_.GetCurrentDisplay();
  previous_context_ = egl_.GetCurrentContext();
  previous_draw_ = egl_.GetCurrentSurface(EGL_DRAW);
  previous_read_ = egl_.GetCurrentSurface(EGL_READ);
  if (egl_.MakeCurrent(display_, context_.surface, context_.surface, context_.context) != EGL_TRUE) {
    fail_lost(egl_error_name(egl_.GetError()));
  }
}

void Context::fail_lost(const std::string& why) {
  lost_ = true;
  fail(ErrorKind::inference,
       "the webgl context was lost ({}): the driver was reset. What was on the device is gone; free it and load the "
       "model again, or use --device cpu",
       why);
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
    fail_lost(what);
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
    // ANGLE gives the context up when memory runs out, and says so afterwards.
    lost_ = error == kContextLost || gl_.GetError() == kContextLost;
    require(error != GL_OUT_OF_MEMORY, ErrorKind::out_of_memory,
            "the webgl device ({}) has no memory left for a buffer of {} bytes; {} are in use. Use a smaller model or "
            "context, or --device cpu",
            description_.renderer, bytes, memory().allocated);
    if (lost_) {
      fail_lost("making a buffer");
    }
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

void Context::set_work(int64_t multiplications) {
  const Scope scope(*this);
  limits_.work = multiplications > 0 ? multiplications : kMostWork;
}

void Context::lose() {
  const std::lock_guard lock(mutex_);
  egl_.DestroyContext(display_, context_.context);
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

std::shared_ptr<void> hold() { return std::make_shared<Context::Scope>(Context::get()); }

void synchronize() {
  if (auto* context = Context::existing()) {
    context->finish();
  }
}

}  // namespace dstorch::webgl
