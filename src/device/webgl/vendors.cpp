#include "device/webgl/vendors.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <system_error>

#include "core/json.h"

namespace dstorch::webgl {
namespace {

namespace fs = std::filesystem;

bool in_this_process(const char* symbol) { return ::dlsym(RTLD_DEFAULT, symbol) != nullptr; }

/// The words of a list with colons between.
std::vector<std::string> split(std::string_view list) {
  std::vector<std::string> words;
  while (!list.empty()) {
    const auto end = list.find(':');
    if (end != 0) {
      words.emplace_back(list.substr(0, end));
    }
    list.remove_prefix(end == std::string_view::npos ? list.size() : end + 1);
  }
  return words;
}

std::vector<std::string> json_files_in(const fs::path& folder) {
  std::vector<std::string> files;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder, none)) {
    if (entry.path().extension() == ".json") {
      files.push_back(entry.path().string());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<std::string> vendor_files() {
  if (const char* named = std::getenv("__EGL_VENDOR_LIBRARY_FILENAMES")) {
    return split(named);
  }
  const char* folders = std::getenv("__EGL_VENDOR_LIBRARY_DIRS");
  std::vector<std::string> files;
  for (const auto& folder :
       split(folders != nullptr ? folders : "/etc/glvnd/egl_vendor.d:/usr/share/glvnd/egl_vendor.d")) {
    const auto more = json_files_in(folder);
    files.insert(files.end(), more.begin(), more.end());
  }
  return files;
}

}  // namespace

bool drivers_need_their_own_symbols() {
  for (const char* sanitizer : {"__asan_init", "__tsan_init", "__msan_init", "__hwasan_init"}) {
    if (in_this_process(sanitizer)) {
      return false;
    }
  }
  // A whole LLVM, or as much of one as LibTorch 2.6 offers: what sets up a target, which then is not where it is looked
  // for.
  return in_this_process("LLVMContextCreate") || in_this_process("LLVMParseCommandLineOptions");
}

std::vector<std::string> vendor_libraries() {
  std::vector<std::string> libraries;
  for (const auto& file : vendor_files()) {
    try {
      const auto json = read_json(file);
      const auto icd = json.find("ICD");
      if (icd != json.end()) {
        libraries.push_back(json_get<std::string>(*icd, "library_path", file));
      }
    } catch (const LMError&) {
      // GLVND, whose file it is, passes over what it cannot read, too.
    }
  }
  return libraries;
}

void load_vendors_with_their_own_symbols() {
  for (const auto& library : vendor_libraries()) {
    ::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
  }
}

}  // namespace dstorch::webgl
