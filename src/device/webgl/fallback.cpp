#include <ATen/native/CPUFallback.h>

#include <mutex>

#include "device/webgl/backend.h"

namespace dstorch::webgl {
namespace {

struct Counts {
  std::mutex mutex;
  std::map<std::string, int64_t> by_name;
};

Counts& counts() {
  static auto* const of_process = new Counts();
  return *of_process;
}

}  // namespace

void count_fallback(const std::string& name) {
  auto& all = counts();
  const std::lock_guard lock(all.mutex);
  ++all.by_name[name];
}

void counted_cpu_fallback(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const auto& name = op.operator_name();
  count_fallback(name.overload_name.empty() ? name.name : name.name + "." + name.overload_name);
  at::native::cpu_fallback(op, stack);
}

std::map<std::string, int64_t> fallbacks() {
  auto& all = counts();
  const std::lock_guard lock(all.mutex);
  return all.by_name;
}

void reset_fallbacks() {
  auto& all = counts();
  const std::lock_guard lock(all.mutex);
  all.by_name.clear();
}

}  // namespace dstorch::webgl
