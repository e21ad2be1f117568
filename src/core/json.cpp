#include "core/json.h"

#include "core/mapped_file.h"

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

Json read_json(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path);
  const auto bytes = file->bytes();
  return parse_json({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path.string());
}

}  // namespace dstorch
