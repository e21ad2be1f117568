#include "text/metaspace.h"

#include "text/regex.h"
#include "text/utf8.h"

namespace dstorch::text {

MetaspaceOptions parse_metaspace(const Json& json, std::string_view where) {
  MetaspaceOptions options;
  options.replacement = json_get_or<std::string>(json, "replacement", options.replacement, where);
  require(!options.replacement.empty() && utf8_length(options.replacement[0]) == options.replacement.size(),
          ErrorKind::format, "{}: \"replacement\" must be one character, got \"{}\"", where, options.replacement);
  const auto scheme = json_get_or<std::string>(json, "prepend_scheme", "always", where);
  require(scheme == "always" || scheme == "first" || scheme == "never", ErrorKind::format,
          "{}: \"prepend_scheme\" must be always, first or never, got \"{}\"", where, scheme);
  options.prepend = scheme == "always"  ? MetaspaceOptions::Prepend::always
                    : scheme == "first" ? MetaspaceOptions::Prepend::first
                                        : MetaspaceOptions::Prepend::never;
  // The older spelling of "never".
  if (!json_get_or<bool>(json, "add_prefix_space", true, where)) {
    options.prepend = MetaspaceOptions::Prepend::never;
  }
  options.split = json_get_or<bool>(json, "split", true, where);
  return options;
}

std::string parse_pattern(const Json& json, std::string_view where) {
  const auto pattern = json_get<Json>(json, "pattern", where);
  require(pattern.is_object() && (pattern.contains("String") || pattern.contains("Regex")), ErrorKind::format,
          "{}: \"pattern\" must be {{\"String\": ...}} or {{\"Regex\": ...}}, got {}", where,
          pattern.dump().substr(0, 80));
  return pattern.contains("String") ? Regex::escape(json_get<std::string>(pattern, "String", where))
                                    : json_get<std::string>(pattern, "Regex", where);
}

}  // namespace dstorch::text
