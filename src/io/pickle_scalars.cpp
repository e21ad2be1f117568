#include <bit>
#include <charconv>

#include "io/pickle_machine.h"

namespace dstorch {

void PickleMachine::push_text(PickleType type, uint64_t length) {
  auto* node = arena_.make(type);
  node->text = cursor_.take_text(length);
  push(node);
}

void PickleMachine::push_integer(int64_t value) {
  auto* node = arena_.make(PickleType::integer);
  node->integer = value;
  push(node);
}

void PickleMachine::push_long(uint64_t length) {
  const auto bytes = cursor_.take_text(length);
  if (bytes.size() > sizeof(int64_t)) {
    auto* node = arena_.make(PickleType::big_integer);
    node->text = bytes;
    push(node);
    return;
  }
  const bool negative = !bytes.empty() && (static_cast<uint8_t>(bytes.back()) & 0x80U) != 0;
  uint64_t value = negative ? ~uint64_t{0} : 0;
  std::memcpy(&value, bytes.data(), bytes.size());
  push_integer(static_cast<int64_t>(value));
}

std::string_view PickleMachine::take_line() {
  const auto begin = cursor_.position();
  auto ahead = cursor_;
  while (ahead.read<char>() != '\n') {
  }
  const auto line = cursor_.take_text(ahead.position() - begin);
  return line.substr(0, line.size() - 1);
}

void PickleMachine::push_int_text() {
  const auto line = take_line();
  int64_t value = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value);
  if (error != std::errc{} || end != line.data() + line.size()) {
    damaged("an integer is no integer");
  }
  if (line == "00" || line == "01") {
    push(arena_.boolean(value != 0));
  } else {
    push_integer(value);
  }
}

bool PickleMachine::scalar(PickleOp op) {
  switch (op) {
    case PickleOp::none:
      push(arena_.none());
      return true;
    case PickleOp::new_true:
    case PickleOp::new_false:
      push(arena_.boolean(op == PickleOp::new_true));
      return true;
    case PickleOp::int_text:
      push_int_text();
      return true;
    case PickleOp::binint:
      push_integer(cursor_.read<int32_t>());
      return true;
    case PickleOp::binint1:
      push_integer(cursor_.read<uint8_t>());
      return true;
    case PickleOp::binint2:
      push_integer(cursor_.read<uint16_t>());
      return true;
    case PickleOp::long1:
      push_long(cursor_.read<uint8_t>());
      return true;
    case PickleOp::long4:
      push_long(cursor_.read<uint32_t>());
      return true;
    case PickleOp::binfloat: {
      auto* node = arena_.make(PickleType::real);
      node->real = std::bit_cast<double>(__builtin_bswap64(cursor_.read<uint64_t>()));
      push(node);
      return true;
    }
    case PickleOp::short_binstring:
    case PickleOp::short_binunicode:
      push_text(PickleType::string, cursor_.read<uint8_t>());
      return true;
    case PickleOp::binstring:
    case PickleOp::binunicode:
      push_text(PickleType::string, cursor_.read<uint32_t>());
      return true;
    case PickleOp::binunicode8:
      push_text(PickleType::string, cursor_.read<uint64_t>());
      return true;
    case PickleOp::short_binbytes:
      push_text(PickleType::bytes, cursor_.read<uint8_t>());
      return true;
    case PickleOp::binbytes:
      push_text(PickleType::bytes, cursor_.read<uint32_t>());
      return true;
    case PickleOp::binbytes8:
    case PickleOp::bytearray8:
      push_text(PickleType::bytes, cursor_.read<uint64_t>());
      return true;
    default:
      return false;
  }
}

}  // namespace dstorch
