#include "models/partial_rope.h"

#include "models/config_checks.h"

namespace dstorch::models {

Json rope_parameters(const Json& json) {
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    if (const auto it = json.find(key); it != json.end() && !it->is_null() && !it->empty()) {
      require(it->is_object(), ErrorKind::format, "config.json: \"{}\" must be an object or null, it is {}", key,
              it->dump().substr(0, 80));
      return *it;
    }
  }
  return Json::object();
}

PartialRope partial_rope(const Json& json, Json parameters, const PartialRopeKeys& keys, ModelSizes& sizes) {
  constexpr const char* inside = "partial_rotary_factor";
  const auto share = get_unless_missing(parameters, inside, get_unless_missing(json, keys.share_key, keys.share));
  require(share > 0 && share <= 1, ErrorKind::format, "config.json: {} must be above 0 and at most 1, got {}",
          keys.share_key, share);
  PartialRope rope;
  rope.rotary_dim = static_cast<int64_t>(static_cast<double>(sizes.head_dim) * share);
  require(rope.rotary_dim >= 2 && rope.rotary_dim % 2 == 0, ErrorKind::format,
          "config.json: {} must make an even part of the {} numbers of a head, {} makes {}", keys.share_key,
          sizes.head_dim, share, rope.rotary_dim);
  parameters.erase(inside);
  auto flat = Json::object();
  flat["rope_parameters"] = std::move(parameters);
  if (json.contains("original_max_position_embeddings")) {
    flat["original_max_position_embeddings"] = json["original_max_position_embeddings"];
  }
  if (json.contains(keys.theta_key)) {
    flat["rope_theta"] = json[keys.theta_key];
  }
  rope.config = nn::RopeConfig::from_json(flat, keys.theta, sizes.max_positions);
  sizes.max_positions = rope.config.most_positions(sizes.max_positions);
  return rope;
}

}  // namespace dstorch::models
