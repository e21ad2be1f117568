#include "io/safetensors.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "io/byte_cursor.h"
#include "io/json_events.h"

namespace dstorch {
namespace {

/// The reference implementation's limit.
constexpr uint64_t kMaxHeaderBytes = 100'000'000;

struct DTypeName {
  DType dtype;
  std::string_view name;
};

constexpr std::array<DTypeName, 19> kNames{{
    {DType::boolean, "BOOL"},
    {DType::uint8, "U8"},
    {DType::int8, "I8"},
    {DType::int16, "I16"},
    {DType::uint16, "U16"},
    {DType::int32, "I32"},
    {DType::uint32, "U32"},
    {DType::int64, "I64"},
    {DType::uint64, "U64"},
    {DType::float8_e4m3fn, "F8_E4M3"},
    {DType::float8_e5m2, "F8_E5M2"},
    {DType::float8_e4m3fnuz, "F8_E4M3FNUZ"},
    {DType::float8_e5m2fnuz, "F8_E5M2FNUZ"},
    {DType::float8_e8m0fnu, "F8_E8M0"},
    {DType::float16, "F16"},
    {DType::bfloat16, "BF16"},
    {DType::float32, "F32"},
    {DType::float64, "F64"},
    {DType::complex64, "C64"},
}};

/// Types narrower than a byte: as many numbers as fill whole bytes make a block.
constexpr std::array<BlockFormat, 3> kNarrow{{{"F4", 2, 1}, {"F6_E2M3", 4, 3}, {"F6_E3M2", 4, 3}}};

const BlockFormat* find_narrow(std::string_view name) {
  const auto it = std::find_if(kNarrow.begin(), kNarrow.end(), [&](const auto& row) { return row.name == name; });
  return it == kNarrow.end() ? nullptr : &*it;
}

/// One entry of the header before it is checked against the data.
struct Entry {
  std::string name;
  std::string dtype;
  std::vector<int64_t> shape;
  std::vector<uint64_t> offsets;
  bool has_shape = false;
};

class HeaderEvents final : public JsonEvents {
 public:
  std::vector<Entry> entries;
  std::map<std::string, std::string> metadata;

 private:
  enum class Field { none, dtype, shape, offsets, ignored };

  void on_key(std::string& key) override {
    if (depth() == 1) {
      in_metadata_ = key == "__metadata__";
      field_ = Field::none;
      if (!in_metadata_) {
        entries.push_back({.name = std::move(key), .dtype = {}, .shape = {}, .offsets = {}});
      }
    } else if (depth() == 2 && in_metadata_) {
      metadata_key_ = std::move(key);
    } else if (depth() == 2) {
      field_ = key == "dtype"          ? Field::dtype
               : key == "shape"        ? Field::shape
               : key == "data_offsets" ? Field::offsets
                                       : Field::ignored;
      const auto& entry = entries.back();
      const bool again = (field_ == Field::dtype && !entry.dtype.empty()) ||
                         (field_ == Field::shape && entry.has_shape) ||
                         (field_ == Field::offsets && !entry.offsets.empty());
      require(!again, ErrorKind::format, "{}: tensor {} must have one \"{}\"", where(), Quoted(entry.name), key);
    }
  }

  void on_string(std::string& text) override {
    if (in_metadata_ && depth() == 2) {
      metadata[metadata_key_] = std::move(text);
    } else if (field_ == Field::dtype && depth() == 2) {
      entries.back().dtype = std::move(text);
    } else {
      unexpected("a string");
    }
  }

  void on_unsigned(uint64_t value) override {
    if (field_ == Field::shape && depth() == 3) {
      require(value <= INT64_MAX && entries.back().shape.size() < kMaxDimensions, ErrorKind::format,
              "{}: tensor {} has an impossible shape", where(), Quoted(entries.back().name));
      entries.back().shape.push_back(static_cast<int64_t>(value));
    } else if (field_ == Field::offsets && depth() == 3 && entries.back().offsets.size() < 2) {
      entries.back().offsets.push_back(value);
    } else {
      unexpected("a number");
    }
  }

  void on_null() override {
    if (!in_metadata_ || depth() != 1) {  // no metadata may be said as null
      on_other();
    }
  }

  void on_other() override { unexpected("a value that is neither text nor a whole number"); }

  void on_open(bool is_array) override {
    const bool wanted = (depth() < 2 && !is_array) ||
                        (depth() == 2 && is_array && (field_ == Field::shape || field_ == Field::offsets));
    if (!wanted) {
      unexpected(is_array ? "an array" : "an object");
    }
    if (depth() == 2 && field_ == Field::shape) {
      entries.back().has_shape = true;
    }
  }

  void on_close() override {}

  void unexpected(std::string_view what) const {
    if (field_ == Field::ignored && depth() >= 2) {
      return;
    }
    fail(ErrorKind::format,
         "{}: the safetensors header must map names to {{\"dtype\", \"shape\", \"data_offsets\"}}, there is {} out of "
         "place near {}",
         where(), what, in_metadata_ || entries.empty() ? "its start" : Quoted(entries.back().name).str());
  }

  bool in_metadata_ = false;
  Field field_ = Field::none;
  std::string metadata_key_;
};

TensorView make_view(Entry& entry, std::span<const std::byte> data, std::string_view where) {
  const auto dtype = parse_safetensors_dtype(entry.dtype);
  const auto* narrow = find_narrow(entry.dtype);
  require(!entry.dtype.empty() && entry.has_shape && entry.offsets.size() == 2, ErrorKind::format,
          "{}: tensor {} must have \"dtype\", \"shape\" and two \"data_offsets\"", where, Quoted(entry.name));
  require(dtype || narrow != nullptr, ErrorKind::unsupported, "{}: tensor {} has type {}, which dstorch does not know",
          where, Quoted(entry.name), Quoted(entry.dtype));
  const auto begin = entry.offsets[0];
  const auto end = entry.offsets[1];
  require(begin <= end && end <= data.size(), ErrorKind::format,
          "{}: tensor {} claims bytes {} to {} of the {} bytes of data there are; the file is cut short or damaged",
          where, Quoted(entry.name), begin, end, data.size());
  const auto numel = check_shape(entry.shape, dtype.value_or(DType::uint8), ErrorKind::format, where, entry.name);
  require(narrow == nullptr || numel % narrow->elements == 0, ErrorKind::format,
          "{}: tensor {} must fill whole bytes, and {} numbers of type {} do not", where, Quoted(entry.name), numel,
          entry.dtype);
  const auto expected = narrow != nullptr
                            ? static_cast<uint64_t>(numel / narrow->elements) * static_cast<uint64_t>(narrow->bytes)
                            : static_cast<uint64_t>(numel) * size_of(*dtype);
  require(expected == end - begin, ErrorKind::format, "{}: tensor {} must have {} bytes, its offsets give it {}", where,
          Quoted(entry.name), expected, end - begin);
  TensorView view;
  view.name = std::move(entry.name);
  view.dtype = dtype.value_or(DType::uint8);
  view.blocks = narrow;
  view.shape = std::move(entry.shape);
  view.strides = contiguous_strides(view.shape);
  view.storage = data.subspan(begin, end - begin);
  return view;
}

void check_coverage(const std::vector<TensorView>& tensors, std::span<const std::byte> data, std::string_view where) {
  std::vector<std::size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto begin_of = [&](std::size_t i) { return tensors[i].storage.data() - data.data(); };
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return std::pair(begin_of(a), tensors[a].storage.size()) < std::pair(begin_of(b), tensors[b].storage.size());
  });
  std::size_t covered = 0;
  for (const auto i : order) {
    const auto begin = static_cast<std::size_t>(begin_of(i));
    require(begin == covered, ErrorKind::format, "{}: tensor {} begins at byte {} of the data and must begin at {}: {}",
            where, Quoted(tensors[i].name), begin, covered,
            begin < covered ? "it overlaps another tensor" : "there is a hole before it");
    covered += tensors[i].storage.size();
  }
  require(covered == data.size(), ErrorKind::format,
          "{}: the tensors cover {} of {} bytes of data, they must cover all", where, covered, data.size());
}

}  // namespace

std::string_view safetensors_name(DType dtype) noexcept {
  for (const auto& row : kNames) {
    if (row.dtype == dtype) {
      return row.name;
    }
  }
  return {};
}

std::optional<DType> parse_safetensors_dtype(std::string_view name) noexcept {
  for (const auto& row : kNames) {
    if (row.name == name) {
      return row.dtype;
    }
  }
  return std::nullopt;
}

TensorTable read_safetensors(std::span<const std::byte> file, std::string_view where) {
  ByteCursor cursor(file, where);
  const auto header_bytes = cursor.read<uint64_t>();
  require(header_bytes <= cursor.remaining() && header_bytes <= kMaxHeaderBytes, ErrorKind::format,
          "{}: the safetensors header claims {} bytes, the file has {}; it is cut short or damaged", where,
          header_bytes, file.size());
  const auto header = cursor.take_text(header_bytes);
  require(header.starts_with('{'), ErrorKind::format, "{}: the safetensors header must begin with '{{'", where);
  HeaderEvents events;
  events.read(header, where);

  const auto data = cursor.take(cursor.remaining());
  TensorTable table;
  table.metadata = std::move(events.metadata);
  table.tensors.reserve(events.entries.size());
  for (auto& entry : events.entries) {
    table.tensors.push_back(make_view(entry, data, where));
  }
  check_unique_names(table.tensors, ErrorKind::format, where);
  check_coverage(table.tensors, data, where);
  return table;
}

}  // namespace dstorch
