#include <algorithm>
#include <numeric>

#include "core/atomic_file.h"
#include "core/json.h"
#include "io/byte_cursor.h"
#include "io/deferred_tensor.h"
#include "io/dense_copy.h"
#include "io/safetensors.h"

namespace dstorch {
namespace {

constexpr std::size_t kHeaderAlignment = 8;
constexpr std::string_view kMetadataKey = "__metadata__";

std::string to_json_text(const Json& value, std::string_view where) {
  try {
    return value.dump();
  } catch (const Json::exception& error) {
    fail(ErrorKind::invalid_argument, "{}: names and metadata must be UTF-8: {}", where, error.what());
  }
}

void check_header(std::span<const TensorView> tensors, std::string_view where) {
  check_unique_names(tensors, ErrorKind::invalid_argument, where);
  for (const auto& tensor : tensors) {
    require(tensor.name != kMetadataKey, ErrorKind::invalid_argument, "{}: no tensor may be called {}", where,
            kMetadataKey);
    require(!safetensors_name(tensor.dtype).empty(), ErrorKind::unsupported,
            "{}: safetensors has no type for {}, which tensor {} has", where, to_string(tensor.dtype),
            Quoted(tensor.name));
  }
}

/// Larger elements first, as the reference implementation does: then each tensor is aligned for its type.
std::vector<std::size_t> data_order(std::span<const TensorView> tensors) {
  std::vector<std::size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return size_of(tensors[a].dtype) > size_of(tensors[b].dtype); });
  return order;
}

std::string make_header(std::span<const TensorView> tensors, const std::vector<std::size_t>& order,
                        const std::map<std::string, std::string>& metadata, std::string_view where) {
  std::vector<std::size_t> begins(tensors.size());
  std::size_t end = 0;
  for (const auto i : order) {
    begins[i] = end;
    end += tensors[i].bytes();
  }
  std::string header = "{";
  if (!metadata.empty()) {
    header += fmt::format("\"{}\":{}", kMetadataKey, to_json_text(metadata, where));
  }
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const Json entry{{"dtype", safetensors_name(tensors[i].dtype)},
                     {"shape", tensors[i].shape},
                     {"data_offsets", {begins[i], begins[i] + tensors[i].bytes()}}};
    header += header.size() > 1 ? "," : "";
    header += to_json_text(tensors[i].name, where) + ":" + entry.dump();
  }
  header += '}';
  header.append((kHeaderAlignment - header.size() % kHeaderAlignment) % kHeaderAlignment, ' ');
  return header;
}

/// `tensors`: names, dtypes and shapes. `write` writes the data of one of them.
void write_file(const std::filesystem::path& path, std::span<const TensorView> tensors,
                const std::map<std::string, std::string>& metadata,
                const std::function<void(std::size_t tensor, AtomicFile& file)>& write) {
  const auto where = path.string();
  check_header(tensors, where);
  const auto order = data_order(tensors);
  const auto header = make_header(tensors, order, metadata, where);
  const uint64_t header_bytes = header.size();
  AtomicFile file(path);
  file.write(std::as_bytes(std::span(&header_bytes, 1)));
  file.write(header);
  for (const auto i : order) {
    write(i, file);
  }
  file.commit();
}

void write_elements(const TensorView& tensor, AtomicFile& file) {
  for_each_dense_piece(tensor, [&](std::span<const std::byte> piece) { file.write(piece); });
}

}  // namespace

void save_safetensors(const std::filesystem::path& path, std::span<const TensorView> tensors,
                      const std::map<std::string, std::string>& metadata) {
  for (const auto& tensor : tensors) {
    check_view(tensor, ErrorKind::invalid_argument, path.string());
  }
  write_file(path, tensors, metadata, [&](std::size_t i, AtomicFile& file) { write_elements(tensors[i], file); });
}

void save_deferred_safetensors(const std::filesystem::path& path, std::span<const DeferredTensor> tensors,
                               const std::map<std::string, std::string>& metadata) {
  std::vector<TensorView> header(tensors.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    header[i].name = tensors[i].name;
    header[i].dtype = tensors[i].dtype;
    header[i].shape = tensors[i].shape;
  }
  write_file(path, header, metadata, [&](std::size_t i, AtomicFile& file) {
    bool written = false;
    tensors[i].read([&](const TensorView& tensor) {
      check_view(tensor, ErrorKind::invalid_argument, path.string());
      require(!written && tensor.dtype == header[i].dtype && tensor.shape == header[i].shape, ErrorKind::internal,
              "{}: tensor {} must be {} of the shape announced, and come once", path.string(), Quoted(header[i].name),
              to_string(header[i].dtype));
      write_elements(tensor, file);
      written = true;
    });
    require(written, ErrorKind::internal, "{}: tensor {} did not come", path.string(), Quoted(header[i].name));
  });
}

}  // namespace dstorch
