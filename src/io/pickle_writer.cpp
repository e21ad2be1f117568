#include "io/pickle_writer.h"

#include <limits>

#include "core/throw.h"

namespace dstorch {

PickleWriter::PickleWriter() {
  op(PickleOp::proto);
  put<uint8_t>(2);
}

PickleWriter& PickleWriter::op(PickleOp op) {
  out_ += static_cast<char>(op);
  return *this;
}

PickleWriter& PickleWriter::global(std::string_view module, std::string_view name) {
  op(PickleOp::global);
  out_.append(module).append("\n").append(name).append("\n");
  return *this;
}

PickleWriter& PickleWriter::text(std::string_view value) {
  require(value.size() <= std::numeric_limits<uint32_t>::max(), ErrorKind::invalid_argument,
          "a name has {} bytes, too many", value.size());
  op(PickleOp::binunicode);
  put(static_cast<uint32_t>(value.size()));
  out_ += value;
  return *this;
}

PickleWriter& PickleWriter::integer(int64_t value) {
  if (value >= 0 && value <= std::numeric_limits<uint8_t>::max()) {
    op(PickleOp::binint1);
    put(static_cast<uint8_t>(value));
  } else if (value >= std::numeric_limits<int32_t>::min() && value <= std::numeric_limits<int32_t>::max()) {
    op(PickleOp::binint);
    put(static_cast<int32_t>(value));
  } else {
    op(PickleOp::long1);
    put<uint8_t>(sizeof(value));
    put(value);
  }
  return *this;
}

PickleWriter& PickleWriter::tuple(std::span<const int64_t> values) {
  op(PickleOp::mark);
  for (const auto value : values) {
    integer(value);
  }
  return op(PickleOp::tuple);
}

std::string PickleWriter::finish() {
  op(PickleOp::stop);
  return std::move(out_);
}

}  // namespace dstorch
