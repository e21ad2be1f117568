#include "text/chat/sampling_defaults.h"

#include "core/json.h"

namespace dstorch::text {

GenerationOptions read_sampling_defaults(const std::filesystem::path& directory, GenerationOptions options) {
  const auto path = directory / "generation_config.json";
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) {
    return options;
  }
  const std::string where = path.string();
  const Json json = read_json(path);
  require(json.is_object(), ErrorKind::format, "{} must be a JSON object", where);
  const auto number = [&](const char* key, double fallback, double least, double most) {
    const auto value = json_get_or<double>(json, key, fallback, where);
    require(value >= least && value <= most, ErrorKind::format, "{}: \"{}\" must be between {} and {}, it is {}", where,
            key, least, most, value);
    return value;
  };
  constexpr double kMost = 1e6;
  options.repetition_penalty = number("repetition_penalty", options.repetition_penalty, 1e-6, kMost);
  if (!json_get_or<bool>(json, "do_sample", false, where)) {
    options.temperature = 0;
    return options;
  }
  options.temperature = number("temperature", options.temperature, 0, kMost);
  options.top_p = number("top_p", options.top_p, 1e-9, 1);
  options.min_p = number("min_p", options.min_p, 0, 1);
  options.top_k = json_get_or<int64_t>(json, "top_k", options.top_k, where);
  require(options.top_k >= 0, ErrorKind::format, "{}: \"top_k\" must not be negative, it is {}", where, options.top_k);
  return options;
}

}  // namespace dstorch::text
