#include "core/json.h"

#include "core/atomic_file.h"
#include "core/json_shape.h"

namespace dstorch {

Json parse_json(std::string_view text, std::string_view where) {
  check_json_depth(text, where);
  try {
    return Json::parse(text);
  } catch (const Json::exception& e) {
    fail(ErrorKind::format, "{} must be valid JSON: {}", where, e.what());
  }
}

Json read_json(const std::filesystem::path& path) { return parse_json(read_file(path), path.string()); }

OrderedJson read_ordered_json(const std::filesystem::path& path) {
  const auto text = read_file(path);
  parse_json(text, path.string());  // its checks and messages
  return OrderedJson::parse(text);
}

}  // namespace dstorch
