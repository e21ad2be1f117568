#include "driver/model_files.h"

#include "core/atomic_file.h"

namespace dstorch::driver {
namespace {

namespace fs = std::filesystem;

/// The config, weights, and what a training run leaves beside them.
bool stays(const fs::path& path) {
  const auto name = path.filename().string();
  for (const char* end : {".safetensors", ".bin", ".index.json", ".pt", ".pth", ".gguf"}) {
    if (name.ends_with(end)) {
      return true;
    }
  }
  return name == "config.json" || name == "metrics.jsonl" || name == "loss.svg" || name == "report.md" ||
         name == "adapter_config.json";
}

}  // namespace

void copy_model_files(const fs::path& from, const fs::path& to, OrderedJson config, const std::optional<DType>& dtype) {
  for (const auto& entry : fs::directory_iterator(from)) {
    if (!entry.is_regular_file() || stays(entry.path())) {
      continue;
    }
    write_file(to / entry.path().filename(), read_file(entry.path()));
  }
  if (dtype) {
    config.erase("dtype");
    config["torch_dtype"] = std::string(to_string(*dtype));
  }
  write_file(to / "config.json", config.dump(2) + "\n");
}

}  // namespace dstorch::driver
