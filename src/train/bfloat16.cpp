#include "train/bfloat16.h"

#include <fstream>
#include <sstream>
#include <string>

#include "core/throw.h"

namespace dstorch::training {

bool processor_has_bfloat16() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("flags") && !line.starts_with("Features")) {  // x86, arm64
      continue;
    }
    std::istringstream words(line);
    for (std::string word; words >> word;) {
      if (word == "avx512_bf16" || word == "amx_bf16" || word == "bf16") {
        return true;
      }
    }
    return false;
  }
  return false;
}

bool trains_in_bfloat16(const std::optional<bool>& asked, const Device& device) {
  const bool cpu = device.type == DeviceType::cpu;
  require(cpu || !asked.value_or(false), ErrorKind::unsupported,
          "training in bfloat16 is for the CPU; on {} leave it off", device.to_string());
  return asked.value_or(cpu && processor_has_bfloat16());
}

}  // namespace dstorch::training
