#include "core/json.h"

#include "core/atomic_file.h"

namespace dstorch {

Json parse_json(std::string_view text, std::string_view where) {
  try {
    return Json::parse(text, [&](int depth, Json::parse_event_t, Json&) {
      require(depth <= kMaxJsonDepth, ErrorKind::format, "{} must nest at most {} levels deep", where, kMaxJsonDepth);
      return true;
    });
  } catch (const Json::exception& e) {
    fail(ErrorKind::format, "{} must be valid JSON: {}", where, e.what());
  }
}

Json read_json(const std::filesystem::path& path) { return parse_json(read_file(path), path.string()); }

}  // namespace dstorch
