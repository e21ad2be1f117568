#include "driver/model_files.h"

#include "core/atomic_file.h"
#include "core/json.h"

namespace dstorch::driver {
namespace {

namespace fs = std::filesystem;

/// Weights, and what a training run leaves beside them.
bool stays(const fs::path& path) {
  const auto name = path.filename().string();
  for (const char* end : {".safetensors", ".bin", ".index.json", ".pt", ".pth", ".gguf"}) {
    if (name.ends_with(end)) {
      return true;
    }
  }
  return name == "metrics.jsonl" || name == "loss.svg" || name == "report.md" || name == "adapter_config.json";
}

}  // namespace

void copy_model_files(const fs::path& from, const fs::path& to, const std::optional<DType>& dtype) {
  for (const auto& entry : fs::directory_iterator(from)) {
    if (!entry.is_regular_file() || stays(entry.path())) {
      continue;
    }
    auto text = read_file(entry.path());
    if (entry.path().filename() == "config.json" && dtype) {
      auto config = OrderedJson::parse(text);
      config.erase("dtype");
      config["torch_dtype"] = std::string(to_string(*dtype));
      text = config.dump(2) + "\n";
    }
    write_file(to / entry.path().filename(), text);
  }
}

}  // namespace dstorch::driver
