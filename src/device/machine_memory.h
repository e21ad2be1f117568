#pragma once

#include <cstdint>

#include "dstorch/device.h"

namespace dstorch {

/// Bytes. 0 in `total`: the device does not tell.
struct MachineMemory {
  int64_t total = 0;
  /// What could be taken now without anything else giving way.
  int64_t available = 0;
};

/// cpu, and webgl for want of anything better: as the kernel says, or as the control group this process is in allows,
/// where that is less.
MachineMemory machine_memory(const Device& device);

}  // namespace dstorch
