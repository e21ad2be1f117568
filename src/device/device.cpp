#include "dstorch/device.h"

#include <ATen/Context.h>
#include <torch/cuda.h>
#include <torch/version.h>

#include <charconv>

#include "core/throw.h"
#include "device/webgl/guard.h"
#include "device/webgl/webgl.h"

namespace dstorch {
namespace {

// When the program starts, since the first backward pass on any device settles how many there are.
[[maybe_unused]] const bool kGuardRegistered = [] {
  webgl::register_guard();
  return true;
}();

}  // namespace

Device Device::parse(std::string_view text) {
  if (text == "cpu") {
    return {DeviceType::cpu, 0};
  }
  if (text == "webgl") {
    return {DeviceType::webgl, 0};
  }
  constexpr std::string_view cuda = "cuda";
  if (text == cuda) {
    return {DeviceType::cuda, 0};
  }
  if (text.starts_with("cuda:")) {
    const auto digits = text.substr(cuda.size() + 1);
    int index = -1;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
    if (error == std::errc() && end == digits.data() + digits.size() && index >= 0) {
      return {DeviceType::cuda, index};
    }
  }
  fail(ErrorKind::invalid_argument, "device must be cpu, cuda, cuda:N or webgl, got \"{}\"", text);
}

std::string Device::to_string() const {
  switch (type) {
    case DeviceType::cpu:
      return "cpu";
    case DeviceType::cuda:
      return fmt::format("cuda:{}", index);
    case DeviceType::webgl:
      return "webgl";
  }
  return "unknown";
}

void Device::require_available() const {
  switch (type) {
    case DeviceType::cpu:
      return;
    case DeviceType::cuda:
      require(
          at::Context::hasCUDART(), ErrorKind::unsupported,
          "device {} needs a LibTorch with CUDA; this program was built with LibTorch {}, which has none. Install one "
          "from pytorch.org and build with CMAKE_PREFIX_PATH=/path/to/libtorch, or use --device cpu",
          to_string(), TORCH_VERSION);
      require(torch::cuda::is_available(), ErrorKind::unsupported,
              "device {} needs an NVIDIA GPU and its driver: LibTorch {} has CUDA but finds none. Install the driver "
              "(Debian: nvidia-driver), or use --device cpu",
              to_string(), TORCH_VERSION);
      require(index < static_cast<int>(torch::cuda::device_count()), ErrorKind::invalid_argument,
              "device {} must be one of the {} present", to_string(), torch::cuda::device_count());
      return;
    case DeviceType::webgl:
      webgl::require_available();
  }
}

}  // namespace dstorch
