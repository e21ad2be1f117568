#include "core/json_shape.h"

#include <algorithm>
#include <vector>

#include "core/json.h"
#include "core/throw.h"

namespace dstorch {

JsonShape json_shape(std::string_view text, int most_depth) {
  JsonShape shape;
  std::vector<std::size_t> open;  // members begun, of each
  for (std::size_t at = 0; at < text.size(); ++at) {
    switch (text[at]) {
      case '"':
        for (++at; at < text.size() && text[at] != '"'; ++at) {
          at += text[at] == '\\' ? 1 : 0;
        }
        break;
      case ':':
        if (!open.empty()) {
          shape.members = std::max(shape.members, ++open.back());
        }
        break;
      case '{':
      case '[':
        open.push_back(0);
        shape.depth = std::max(shape.depth, static_cast<int>(open.size()));
        if (shape.depth > most_depth) {
          return shape;
        }
        break;
      case '}':
      case ']':
        if (!open.empty()) {
          open.pop_back();
        }
        break;
      default:
        break;
    }
  }
  return shape;
}

JsonShape check_json_depth(std::string_view text, std::string_view where) {
  const auto shape = json_shape(text, kMaxJsonDepth);
  require(shape.depth <= kMaxJsonDepth, ErrorKind::format, "{} must nest at most {} levels deep", where, kMaxJsonDepth);
  return shape;
}

}  // namespace dstorch
