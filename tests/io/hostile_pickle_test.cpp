// Pickles that no honest program writes: each must end in an error that says what is wrong, and run nothing.
#include "io/pickle_builder.h"
#include "io/pytorch_zip.h"

namespace dstorch {
namespace {

TensorTable read(const std::string& pickle, std::size_t storage_bytes = 16) {
  const auto zip = make_pytorch_zip(pickle, storage_bytes);
  return read_pytorch_zip(as_byte_span(zip), "test.pt");
}

void expect_refused(const std::string& pickle, std::string_view part, ErrorKind kind = ErrorKind::format) {
  expect_error(kind, part, [&] { read(pickle); });
}

using namespace pickled;

TEST(HostilePickle, TheBuilderMakesGoodOnes) {
  const auto table = read(dict_of(tensor(storage("FloatStorage", 4), 1, {3}, {1})));
  ASSERT_EQ(table.tensors.size(), 1U);
  EXPECT_EQ(table.tensors[0].name, "w");
  EXPECT_EQ(table.tensors[0].storage_offset, 1);
}

TEST(HostilePickle, RunsNothing) {
  const TemporaryFolder folder;
  const auto proof = folder.path() / "proof";
  const auto command = text("touch " + proof.string());
  expect_refused("\x80\x02" + global("os", "system") + "(" + command + "tR.", "\"os\".\"system\"");
  expect_refused("\x80\x02" + global("posix", "system") + "(" + command + "tR.", "it was not executed");
  expect_refused("\x80\x04" + text("os") + text("system") + "\x93" + command + "\x85R.", "\"os\".\"system\"");
  expect_refused("\x80\x02(" + command + "ios\nsystem\n.", "not executed");
  expect_refused("\x80\x02(" + global("os", "system") + command + "o.", "\"os\".\"system\"");
  expect_refused("\x80\x02\x82\x01.", "not executed");
  EXPECT_FALSE(std::filesystem::exists(proof));
}

TEST(HostilePickle, OnlyTheListIsAllowed) {
  const std::vector<std::pair<std::string, std::string>> globals{
      {"torch.storage", "_load_from_bytes"},   {"builtins", "eval"},  {"builtins", "getattr"},
      {"numpy.core.multiarray", "scalar"},     {"torch", "load"},     {"torch", "fp16"},
      {"torch._utils", "_rebuild_xla_tensor"}, {"__main__", "Net"},   {"collections", "namedtuple"},
      {"collections", "OrderedDict.fromkeys"}, {"os", "OrderedDict"}, {"__main__", "_rebuild_tensor_v2"}};
  for (const auto& [module, name] : globals) {
    expect_refused("\x80\x02" + global(module, name) + ")R.", "\"" + module + "\".\"" + name + "\"");
  }
  // Allowed to be named, not to be called.
  expect_refused("\x80\x02" + global("torch", "FloatStorage") + ")R.", "was not executed");
  expect_refused("\x80\x02" + global("torch", "float32") + ")R.", "was not executed");
  // Allowed to be called, not by itself.
  const auto rebuild = global("torch._tensor", "_rebuild_from_type_v2");
  expect_refused("\x80\x02" + rebuild + "(" + rebuild + global("torch", "Tensor") + "(t}tR.", "without end");
}

/// What may lie beside the tensors of a state dict: kinds of tensors that have no plain storage, and their parts.
TEST(StateDict, TakesTheTensorsAndLeavesOtherThings) {
  const std::pair<const char*, const char*> others[] = {{"torch._utils", "_rebuild_sparse_tensor"},
                                                        {"torch._utils", "_rebuild_sparse_csr_tensor"},
                                                        {"torch._utils", "_rebuild_qtensor"},
                                                        {"torch._utils", "_rebuild_nested_tensor"},
                                                        {"torch._utils", "_rebuild_meta_tensor_no_storage"},
                                                        {"torch.nested._internal.nested_tensor", "_rebuild_njt"},
                                                        {"torch", "device"},
                                                        {"torch.serialization", "_get_layout"},
                                                        {"collections", "Counter"},
                                                        {"collections", "defaultdict"},
                                                        {"builtins", "bytearray"},
                                                        {"builtins", "complex"},
                                                        {"builtins", "set"},
                                                        {"__builtin__", "bytearray"},
                                                        {"__builtin__", "complex"},
                                                        {"__builtin__", "set"}};
  const auto one = tensor(storage("FloatStorage", 4), 0, {4}, {1});
  for (const auto& [module, name] : others) {
    const auto table = read("\x80\x02}" + text("other") + global(module, name) + ")Rs" + text("w") + one + "s.");
    ASSERT_EQ(table.tensors.size(), 1U) << name;
    EXPECT_EQ(table.tensors[0].name, "w");
  }
  for (const char* name : {"per_tensor_affine", "per_channel_affine", "per_tensor_symmetric", "per_channel_symmetric",
                           "per_channel_affine_float_qparams", "Tensor"}) {
    EXPECT_EQ(read("\x80\x02}" + text("other") + global("torch", name) + "s" + text("w") + one + "s.").tensors.size(),
              1U)
        << name;
  }
  for (const char* type : {"QInt8Storage", "QUInt8Storage", "QInt32Storage", "QUInt4x2Storage", "QUInt2x4Storage"}) {
    const auto quantized = global("torch._utils", "_rebuild_qtensor") + "(" + storage(type, 4) + "tR";
    EXPECT_EQ(read("\x80\x02}" + text("other") + quantized + "s" + text("w") + one + "s.").tensors.size(), 1U) << type;
  }
  // A pair of a name and a tensor is no entry, nor is a tensor in a list; names may be bytes.
  const auto pair = "(" + text("pair") + one + "t";
  EXPECT_EQ(read("\x80\x02}" + text("other") + pair + "s" + text("w") + one + "s.").tensors.size(), 1U);
  EXPECT_EQ(read("\x80\x03}C\x01w" + one + "s.").tensors.at(0).name, "w");
}

TEST(HostilePickle, ViewsStayInTheirStorage) {
  const auto floats = storage("FloatStorage", 4);
  const auto inside = [&](int64_t offset, const std::vector<int64_t>& shape, const std::vector<int64_t>& strides) {
    return dict_of(tensor(floats, offset, shape, strides));
  };
  EXPECT_EQ(read(inside(0, {4}, {1})).tensors.size(), 1U);
  EXPECT_EQ(read(inside(3, {}, {})).tensors.size(), 1U);
  EXPECT_EQ(read(inside(0, {2, 2}, {0, 3})).tensors.size(), 1U);
  EXPECT_EQ(read(inside(99, {0, 2}, {2, 1})).tensors[0].storage_offset, 0);
  for (const auto& bad : {
           inside(1, {4}, {1}),
           inside(0, {5}, {1}),
           inside(-1, {2}, {1}),
           inside(4, {}, {}),
           inside(0, {2}, {4}),
           inside(3, {2}, {-1}),
           inside(INT64_MAX, {2}, {1}),
           inside(0, {2}, {INT64_MAX}),
           inside(INT64_MAX, {2}, {INT64_MAX}),
           inside(0, {3}, {INT64_MAX / 2 + 1}),
       }) {
    expect_refused(bad, "must lie in its storage");
  }
  expect_refused(inside(0, {2, 2}, {1}), "must have 2 strides");
  expect_refused(inside(0, {-2}, {1}), "negative size");
  expect_refused(inside(0, {INT64_MAX}, {0}), "larger than any memory");
  expect_refused(inside(0, {int64_t{1} << 32, int64_t{1} << 32}, {0, 0}), "larger than any memory");
  expect_refused(inside(0, {0, int64_t{1} << 32, int64_t{1} << 32}, {0, 0, 0}), "larger than any memory");
  expect_refused(inside(0, {int64_t{1} << 40}, {0}), "repeats");
  expect_refused(inside(0, std::vector<int64_t>(65, 1), std::vector<int64_t>(65, 1)), "dimensions");
}

TEST(HostilePickle, StoragesAreWhatTheFileHolds) {
  expect_refused(dict_of(tensor(storage("FloatStorage", 5), 0, {1}, {1})), "must have 20 bytes, it has 16");
  expect_refused(dict_of(tensor(storage("FloatStorage", 4, "1"), 0, {1}, {1})), "storage \"1\" is missing");
  expect_refused(dict_of(tensor(storage("FloatStorage", -1), 0, {1}, {1})), "impossible size");
  expect_refused(dict_of(tensor(storage("DoubleStorage", INT64_MAX), 0, {1}, {1})), "impossible size");
  expect_refused(dict_of(tensor(storage("FloatStorage", 4, std::string(300, 'k')), 0, {1}, {1})), "impossible");
  expect_refused(dict_of(tensor(storage("float32", 4), 0, {1}, {1})), "must be a torch storage");
  expect_refused("\x80\x02" + text("0") + "Q.", "must be a tuple");
  expect_refused("\x80\x02(" + text("module") + "NNNtQ.", "holds a \"module\"");
}

TEST(HostilePickle, WrongTypes) {
  const auto rebuild = global("torch._utils", "_rebuild_tensor_v2");
  expect_refused("\x80\x02" + rebuild + ")R.", "a tensor's storage must be a storage, it is missing");
  expect_refused("\x80\x02" + rebuild + "(" + storage("FloatStorage", 4) + "NNNtR.", "offset must be an integer");
  expect_refused("\x80\x02" + rebuild + "(" + storage("FloatStorage", 4) + integer(0) + "]]tR.", "must be a tuple");
  expect_refused("\x80\x02" + rebuild + "}R.", "is called with a dict");
  expect_refused("\x80\x02}}R.", "a dict is called");
  expect_refused("\x80\x02]Na.", "it holds a list");
  expect_refused("\x80\x02" + tensor(storage("FloatStorage", 4), 0, {4}, {1}) + ".", "it holds a tensor");
  expect_refused("\x80\x02)Na.", "must be filled");
  expect_refused("\x80\x02](NNu.", "must be filled");
  expect_refused("\x80\x02}(Nu.", "a key has no value");
  expect_refused("\x80\x02" + global("collections", "OrderedDict") + "(](NNeetR.", "damaged");
  expect_refused("\x80\x02]]b.", "is given a state");
  expect_refused("\x80\x02Ghalf", "cut short");
}

TEST(HostilePickle, ConjugatedTensors) {
  const auto conjugated = global("torch._utils", "_rebuild_tensor_v2") + "(" + storage("ComplexFloatStorage", 2) +
                          integer(0) + tuple({2}) + tuple({1}) + "\x89}}" + text("conj") + "\x88stR";
  expect_refused(dict_of(conjugated), "conj", ErrorKind::unsupported);
}

TEST(HostilePickle, StackAndMemo) {
  for (const auto* pickle : {".", "0.", "a.", "e.", "s.", "u.", "t.", "R.", "\x85.", "(.", "N(.", "2.", "q\x01."}) {
    expect_refused(std::string("\x80\x02") + pickle, "is missing");
  }
  expect_refused("\x80\x02h\x05.", "memo 5 is used");
  expect_refused("\x80\x02j\xFF\xFF\xFF\xFF.", "memo 4294967295");
  // Values below a mark are out of reach: Python says "unexpected MARK found".
  expect_refused("\x80\x02}(s.", "is missing");
  expect_refused("\x80\x01N.", "protocol must be 2 to 5");
  expect_refused("\x80\x06N.", "protocol must be 2 to 5");
  expect_refused("", "cut short");
}

TEST(HostilePickle, Cycles) {
  // d = {}; d["d"] = d
  expect_refused("\x80\x02}q\x01" + text("d") + "h\x01s.", "cyclic");
  expect_refused("\x80\x02}q\x01" + text("model") + "h\x01s.", "cyclic");
  // l = []; l.append(l), beside a tensor: Python keeps it, nobody follows it.
  const auto list = "\x80\x02}" + text("l") + "]q\x01h\x01" + "as" + text("w") +
                    tensor(storage("FloatStorage", 4), 0, {4}, {1}) + "s.";
  EXPECT_EQ(read(list).tensors.size(), 1U);
}

TEST(HostilePickle, DeepNesting) {
  std::string deep = "\x80\x02";
  for (int i = 0; i < 200'000; ++i) {
    deep.append("}").append(text("k"));
  }
  deep += "N" + std::string(200'000, 's') + ".";
  expect_refused(deep, "levels deep");
  EXPECT_EQ(read("\x80\x02}" + text("k") + std::string(100'000, ']') + std::string(99'999, 'a') + "s.").tensors.size(),
            0U);
}

TEST(HostilePickle, UnfoldsIntoTooMuch) {
  // Each dict holds the one before it twice: 2^30 names from a kilobyte.
  std::string doubling = "\x80\x02}q" + std::string(1, '\0');
  for (char i = 1; i <= 30; ++i) {
    const std::string before{'h', static_cast<char>(i - 1)};
    doubling.append({'}', 'q', i}).append(text("a") + before + "s" + text("b") + before + "s");
  }
  expect_refused(doubling + ".", "unfolds into over");
}

TEST(HostilePickle, ClaimsThatAreNotThere) {
  const auto huge = le(uint64_t{1} << 44U);
  for (const auto& op : {"\x8D" + huge, "\x8E" + huge, "\x96" + huge, "\x95" + huge + "", "X" + le(0xFFFFFFF0U),
                         "\x8B" + le(0x7FFFFFFFU), "B" + le(0xFFFFFFFFU), std::string("\x8C\xFFshort")}) {
    expect_refused("\x80\x04" + op + ".", "");
  }
  expect_refused("\x80\x02" + std::string((1U << 24U) + 1, 'N') + ".", "at most");
  std::string many = "\x80\x02";
  for (int i = 0; i <= 1 << 22; ++i) {
    many += "K\x01";
  }
  expect_refused(many + ".", "at most 4194304 values");
}

TEST(HostilePickle, DuplicateNames) {
  const auto one = tensor(storage("FloatStorage", 4), 0, {4}, {1});
  expect_refused("\x80\x02}" + text("w") + one + "s" + text("w") + one + "s.", "occurs twice");
  expect_refused("\x80\x02}" + text("a.b") + one + "s" + text("a") + "}" + text("b") + one + "ss.", "occurs twice");
  expect_refused("\x80\x02}" + text(std::string(5000, 'n')) + one + "s.", "longer than");
}

TEST(OldPickle, WhatPythonTwoWrote) {
  // OrderedDict([[name, tensor]]), str as SHORT_BINSTRING, a long in text.
  const auto one = tensor(storage("FloatStorage", 4), 0, {4}, {1});
  const auto pickle =
      "\x80\x02" + global("collections", "OrderedDict") + "(](](U\x01w" + one + "e](U\x01nI99999999999\neetR.";
  const auto table = read(pickle);
  ASSERT_EQ(table.tensors.size(), 1U);
  EXPECT_EQ(table.tensors[0].name, "w");
}

}  // namespace
}  // namespace dstorch
