#pragma once

#include <string>

#include "driver/loaded_model.h"

namespace dstorch::driver {

/// Tells what keys and values depend on from everything else of its kind: config.json, every byte of the weights and of
/// the adapter (may be null), the device, the format of keys and values. 32 hexadecimal digits. It reads all weights
/// the first time.
std::string fingerprint(const LoadedModel& loaded, const nn::Adapter* adapter);

}  // namespace dstorch::driver
