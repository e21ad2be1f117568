#include "io/shards.h"

#include <unordered_map>
#include <unordered_set>

#include "io/byte_cursor.h"
#include "io/json_events.h"

namespace dstorch {
namespace {

/// Whether `name` is a file of the index's folder or of one below it.
bool is_inside(std::string_view name) {
  using namespace std::string_view_literals;
  if (name.find_first_of("\\\0"sv) != std::string_view::npos) {
    return false;
  }
  while (true) {
    const auto slash = name.find('/');
    const auto part = name.substr(0, slash);
    if (part.empty() || part == "." || part == "..") {
      return false;
    }
    if (slash == std::string_view::npos) {
      return true;
    }
    name.remove_prefix(slash + 1);
  }
}

class IndexEvents final : public JsonEvents {
 public:
  ShardIndex index;
  bool has_map = false;

 private:
  void on_key(std::string& key) override {
    if (depth() == 1) {
      in_map_ = key == "weight_map";
      require(!(in_map_ && has_map), ErrorKind::format, "{} must have one \"weight_map\"", where());
      has_map = has_map || in_map_;
    } else if (in_map_) {
      require(names_.insert(key).second, ErrorKind::format, "{} must name each tensor once, {} occurs twice", where(),
              Quoted(key));
      index.tensors.push_back(std::move(key));
    }
  }

  void on_string(std::string& text) override {
    if (!in_map_) {
      return;
    }
    wrong_unless(depth() == 2);
    require(is_inside(text), ErrorKind::format,
            "{}: a shard must be a file below the index's folder, tensor {} names {}; it was not opened", where(),
            Quoted(index.tensors.back()), Quoted(text));
    if (files_.insert(text).second) {
      index.files.push_back(std::move(text));
    }
  }

  void on_unsigned(uint64_t) override { wrong_unless(!in_map_); }
  void on_other() override { wrong_unless(!in_map_); }
  void on_open(bool is_array) override {
    wrong_unless(depth() > 0 ? !in_map_ || (depth() == 1 && !is_array) : !is_array);
  }
  void on_close() override {}

  void wrong_unless(bool right) const {
    require(right, ErrorKind::format, "{}: \"weight_map\" must map names of tensors to names of files", where());
  }

  bool in_map_ = false;
  std::unordered_set<std::string> names_;
  std::unordered_set<std::string> files_;
};

}  // namespace

ShardIndex parse_shard_index(std::string_view json, std::string_view where) {
  IndexEvents events;
  events.read(json, where);
  require(events.has_map, ErrorKind::format, "{} must have a \"weight_map\" of tensors to files", where);
  require(!events.index.tensors.empty(), ErrorKind::format, "{}: the \"weight_map\" must not be empty", where);
  return std::move(events.index);
}

TensorTable join_shards(const ShardIndex& index, std::vector<TensorTable> shards, std::string_view where) {
  TensorTable joined;
  joined.kind = shards.front().kind;
  struct Place {
    std::size_t shard;
    std::size_t tensor;
  };
  std::unordered_map<std::string_view, Place> places;
  for (std::size_t s = 0; s < shards.size(); ++s) {
    require(shards[s].kind == joined.kind && joined.kind != CheckpointKind::torchscript, ErrorKind::format,
            "{}: all shards must be safetensors or PyTorch state dicts of one kind, {} is {} and {} is {}", where,
            Quoted(index.files[0]), to_string(joined.kind), Quoted(index.files[s]), to_string(shards[s].kind));
    joined.metadata.merge(shards[s].metadata);
    for (std::size_t t = 0; t < shards[s].tensors.size(); ++t) {
      const auto [it, added] = places.emplace(shards[s].tensors[t].name, Place{s, t});
      require(added, ErrorKind::format, "{}: tensor {} must be in one shard, it is in {} and {}", where,
              Quoted(shards[s].tensors[t].name), Quoted(index.files[it->second.shard]), Quoted(index.files[s]));
    }
  }
  std::vector<Place> order;
  order.reserve(places.size());
  for (const auto& name : index.tensors) {
    if (const auto it = places.find(name); it != places.end()) {
      order.push_back(it->second);
      places.erase(it);
    }
  }
  for (std::size_t s = 0; s < shards.size(); ++s) {
    for (std::size_t t = 0; t < shards[s].tensors.size(); ++t) {
      if (places.contains(shards[s].tensors[t].name)) {
        order.push_back({s, t});
      }
    }
  }
  joined.tensors.reserve(order.size());
  // Moving the views moves the names that `places` points to, so that it comes last.
  for (const auto& place : order) {
    joined.tensors.push_back(std::move(shards[place.shard].tensors[place.tensor]));
  }
  return joined;
}

}  // namespace dstorch
