#include "device/webgl/guard.h"

#include <c10/core/impl/DeviceGuardImplInterface.h>

namespace dstorch::webgl {
namespace {

constexpr auto kType = c10::DeviceType::PrivateUse1;

/// One device with one queue: there is nothing to switch.
struct Guard final : c10::impl::DeviceGuardImplInterface {
  [[nodiscard]] c10::DeviceType type() const override { return kType; }
  [[nodiscard]] c10::Device exchangeDevice(c10::Device) const override { return {kType, 0}; }
  [[nodiscard]] c10::Device getDevice() const override { return {kType, 0}; }
  void setDevice(c10::Device) const override {}
  void uncheckedSetDevice(c10::Device) const noexcept override {}
  [[nodiscard]] c10::Stream getStream(c10::Device) const noexcept override { return stream(); }
  [[nodiscard]] c10::Stream getDefaultStream(c10::Device) const override { return stream(); }
  [[nodiscard]] c10::Stream exchangeStream(c10::Stream) const noexcept override { return stream(); }
  [[nodiscard]] c10::DeviceIndex deviceCount() const noexcept override { return 1; }
  [[nodiscard]] bool queryStream(const c10::Stream&) const override { return true; }
  void synchronizeStream(const c10::Stream&) const override {}

 private:
  static c10::Stream stream() { return c10::Stream(c10::Stream::DEFAULT, c10::Device(kType, 0)); }
};

}  // namespace

void register_guard() { static const c10::impl::DeviceGuardImplRegistrar registrar(kType, new Guard()); }

}  // namespace dstorch::webgl
