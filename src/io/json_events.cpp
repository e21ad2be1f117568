#include "io/json_events.h"

namespace dstorch {

void JsonEvents::read(std::string_view text, std::string_view where) {
  where_ = where;
  depth_ = 0;
  Json::sax_parse(text.begin(), text.end(), static_cast<nlohmann::json_sax<Json>*>(this));
}

bool JsonEvents::number_unsigned(number_unsigned_t value) {
  on_unsigned(value);
  return true;
}

bool JsonEvents::string(string_t& text) {
  on_string(text);
  return true;
}

bool JsonEvents::key(string_t& text) {
  on_key(text);
  return true;
}

bool JsonEvents::null() {
  on_null();
  return true;
}

bool JsonEvents::other() {
  on_other();
  return true;
}

bool JsonEvents::open(bool is_array) {
  require(depth_ < kMaxJsonDepth, ErrorKind::format, "{} must nest at most {} levels deep", where_, kMaxJsonDepth);
  on_open(is_array);
  ++depth_;
  return true;
}

bool JsonEvents::close() {
  --depth_;
  on_close();
  return true;
}

bool JsonEvents::parse_error(std::size_t, const std::string&, const Json::exception& error) {
  fail(ErrorKind::format, "{} must be valid JSON: {}", where_, error.what());
}

}  // namespace dstorch
