#include <cstdlib>
#include <system_error>
#include <vector>

#include "core/throw.h"
#include "dstorch/checkpoint.h"

namespace dstorch {

std::filesystem::path bundled_model_path() {
  std::vector<std::filesystem::path> folders;
  if (const char* models = std::getenv("DSTORCH_MODELS")) {
    folders.emplace_back(models);
  }
  // Beside a program installed under any prefix, in bin or in libexec/dstorch, then where this build installs to.
  std::error_code no_program;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", no_program);
  const auto above = program.parent_path().parent_path();
  folders.push_back(above / "share/dstorch/models");
  folders.push_back(above.parent_path() / "share/dstorch/models");
  folders.emplace_back(DSTORCH_INSTALLED_MODELS);
  folders.emplace_back(DSTORCH_SOURCE_MODELS);
  for (const auto& folder : folders) {
    auto path = folder / "default";
    if (std::filesystem::exists(path / "config.json")) {
      return path;
    }
  }
  fail(ErrorKind::not_found,
       "the bundled model is not at {}; name a model (-m MODEL), or set DSTORCH_MODELS to the folder that holds "
       "\"default\"",
       (folders.front() / "default").string());
}

}  // namespace dstorch
