#include "device/machine_memory.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>

#include "core/torch_compat.h"
#include "device/torch_types.h"

namespace dstorch {
namespace {

namespace fs = std::filesystem;

/// "MemAvailable:  123 kB" in bytes; 0 when there is no such line.
int64_t meminfo(const std::string& key) {
  std::ifstream file("/proc/meminfo");
  std::string name;
  int64_t kilobytes = 0;
  std::string rest;
  while (file >> name >> kilobytes && std::getline(file, rest)) {
    if (name == key + ":") {
      return kilobytes * 1024;
    }
  }
  return 0;
}

/// The number in a file that holds nothing else; -1 for "max", or when there is no such file.
int64_t number_in(const fs::path& path) {
  std::ifstream file(path);
  int64_t number = -1;
  return file >> number ? number : -1;
}

/// Pages of files that the group could drop.
int64_t inactive_file(const fs::path& group) {
  std::ifstream file(group / "memory.stat");
  std::string name;
  int64_t value = 0;
  while (file >> name >> value) {
    if (name == "inactive_file") {
      return value;
    }
  }
  return 0;
}

/// The tightest limit of the process's control group (version 2) and those around it.
void apply_group_limits(MachineMemory& memory) {
  std::ifstream file("/proc/self/cgroup");
  std::string line;
  while (std::getline(file, line)) {
    if (!line.starts_with("0::/")) {
      continue;
    }
    const fs::path root = "/sys/fs/cgroup";
    for (auto group = fs::path(line.substr(4));; group = group.parent_path()) {
      const auto folder = group.empty() ? root : root / group;
      if (const auto limit = number_in(folder / "memory.max"); limit >= 0) {
        const auto used = std::max<int64_t>(0, number_in(folder / "memory.current") - inactive_file(folder));
        memory.total = std::min(memory.total, limit);
        memory.available = std::min(memory.available, std::max<int64_t>(0, limit - used));
      }
      if (group.empty()) {
        return;
      }
    }
  }
}

}  // namespace

MachineMemory machine_memory(const Device& device) {
  if (device.type == DeviceType::cuda) {
    const auto memory = compat::device_memory(to_torch(device));
    return memory ? MachineMemory{memory->total, memory->free} : MachineMemory{};
  }
  MachineMemory memory{meminfo("MemTotal"), meminfo("MemAvailable")};
  apply_group_limits(memory);
  return memory;
}

}  // namespace dstorch
