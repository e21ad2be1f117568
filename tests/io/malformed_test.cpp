// Files that are cut short, overlap, claim too much or are of the wrong kind.
#include <fmt/format.h>

#include "io/pickle_builder.h"
#include "io/pytorch_legacy.h"
#include "io/pytorch_zip.h"
#include "io/safetensors.h"
#include "io/zip_reader.h"

namespace dstorch {
namespace {

std::string safetensors_file(const std::string& header, std::size_t data_bytes) {
  return le(static_cast<uint64_t>(header.size())) + header + std::string(data_bytes, '\0');
}

TensorTable read_header(const std::string& header, std::size_t data_bytes) {
  const auto file = safetensors_file(header, data_bytes);
  return read_safetensors(as_byte_span(file), "test.safetensors");
}

void expect_bad_header(const std::string& header, std::size_t data_bytes, std::string_view part,
                       ErrorKind kind = ErrorKind::format) {
  expect_error(kind, part, [&] { read_header(header, data_bytes); });
}

std::string f32(const std::string& name, const std::string& shape, int64_t begin, int64_t end) {
  return fmt::format(R"("{}":{{"dtype":"F32","shape":{},"data_offsets":[{},{}]}})", name, shape, begin, end);
}

TEST(MalformedSafetensors, Offsets) {
  EXPECT_EQ(read_header("{" + f32("a", "[2]", 8, 16) + "," + f32("b", "[2]", 0, 8) + "}", 16).tensors[0].name, "a");
  expect_bad_header("{" + f32("a", "[2]", 0, 8) + "," + f32("b", "[2]", 4, 12) + "}", 12, "overlaps");
  expect_bad_header("{" + f32("a", "[2]", 0, 8) + "," + f32("b", "[2]", 0, 8) + "}", 8, "overlaps");
  expect_bad_header("{" + f32("a", "[2]", 0, 8) + "," + f32("b", "[2]", 12, 20) + "}", 20, "hole");
  expect_bad_header("{" + f32("a", "[2]", 0, 8) + "}", 12, "cover 8 of 12");
  expect_bad_header("{" + f32("a", "[2]", 0, 8) + "}", 4, "claims bytes 0 to 8 of the 4");
  expect_bad_header("{" + f32("a", "[2]", 8, 0) + "}", 8, "claims bytes");
  expect_bad_header("{" + f32("a", "[3]", 0, 8) + "}", 8, "must have 12 bytes");
  expect_bad_header("{" + f32("a", "[2]", -8, 0) + "}", 8, "out of place");
  expect_bad_header(R"({"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0,0]}})", 0, "out of place");
}

TEST(MalformedSafetensors, Shapes) {
  expect_bad_header("{" + f32("a", "[-1]", 0, 0) + "}", 0, "out of place");
  expect_bad_header("{" + f32("a", "[1.5]", 0, 4) + "}", 4, "out of place");
  expect_bad_header("{" + f32("a", "[4294967296,4294967296]", 0, 0) + "}", 0, "larger than any memory");
  expect_bad_header("{" + f32("a", "[18446744073709551615]", 0, 0) + "}", 0, "impossible shape");
  expect_bad_header("{" + f32("a", "[1e30]", 0, 0) + "}", 0, "out of place");
  expect_bad_header("{" + f32("a", "[[1]]", 0, 4) + "}", 4, "out of place");
  std::string many = "[1";
  for (int i = 0; i < 64; ++i) {
    many += ",1";
  }
  expect_bad_header("{" + f32("a", many + "]", 0, 4) + "}", 4, "impossible shape");
}

TEST(MalformedSafetensors, Types) {
  expect_bad_header(R"({"a":{"dtype":"F3","shape":[2],"data_offsets":[0,1]}})", 1, "F3", ErrorKind::unsupported);
  EXPECT_EQ(read_header(R"({"a":{"dtype":"F4","shape":[2,3],"data_offsets":[0,3]}})", 3).tensors[0].bytes(), 3U);
  expect_bad_header(R"({"a":{"dtype":"F4","shape":[2,3],"data_offsets":[0,6]}})", 6, "must have 3 bytes");
  expect_bad_header(R"({"a":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}})", 2, "whole bytes");
  expect_bad_header(R"({"a":{"dtype":"F6_E2M3","shape":[6],"data_offsets":[0,5]}})", 5, "whole bytes");
  EXPECT_EQ(
      read_header(R"({"__metadata__":null,"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1).tensors.size(),
      1U);
  expect_bad_header(R"({"__metadata__":true})", 0, "out of place");
  expect_bad_header(R"({"__metadata__":{"a":null}})", 0, "out of place");
  expect_bad_header(R"({"a":null})", 0, "out of place");
  expect_bad_header(R"({"a":{"dtype":7,"shape":[2],"data_offsets":[0,1]}})", 1, "out of place");
  expect_bad_header(R"({"a":{"shape":[2],"data_offsets":[0,8]}})", 8, "must have \"dtype\"");
  expect_bad_header(R"({"a":{"dtype":"F32","data_offsets":[0,4]}})", 4, "must have \"dtype\"");
  expect_bad_header(R"({"a":{"dtype":"F32","shape":[1]}})", 4, "must have \"dtype\"");
  expect_bad_header(R"({"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 4, "one \"dtype\"");
  expect_bad_header(R"({"a":3})", 0, "out of place");
  expect_bad_header(R"({"__metadata__":{"a":1}})", 0, "out of place");
  expect_bad_header("{" + f32("a", "[1]", 0, 4) + "," + f32("a", "[1]", 4, 8) + "}", 8, "occurs twice");
  expect_bad_header("[]", 0, "must begin with");
  expect_bad_header("{\"a\":", 0, "valid JSON");
  expect_bad_header("{\"\xFF\":{}}", 0, "valid JSON");
  expect_bad_header("{\"a\":" + std::string(100'000, '['), 0, "out of place");
  expect_bad_header(R"({"a":{"x":)" + std::string(100'000, '['), 0, "nest at most");
  const auto unknown = R"({"a":{"dtype":"F32","note":{"dtype":["F64"]},"shape":[1],"data_offsets":[0,4]}})";
  EXPECT_EQ(read_header(unknown, 4).tensors[0].dtype, DType::float32);
}

TEST(MalformedSafetensors, HeaderThatClaimsTerabytes) {
  const TemporaryFolder folder;
  for (const uint64_t length : {uint64_t{1} << 42U, UINT64_MAX, uint64_t{300}}) {
    const auto path = folder.write("huge.safetensors", le(length) + "{}");
    expect_error(ErrorKind::format, "cut short", [&] { Checkpoint::open(path); });
  }
}

TEST(MalformedSafetensors, ClaimsMoreHeaderThanThereIs) {
  const auto file = le(uint64_t{1000}) + "{}";
  expect_error(ErrorKind::format, "header claims 1000 bytes, the file has 10",
               [&] { read_safetensors(as_byte_span(file), "test.safetensors"); });
}

TEST(MalformedZip, Directories) {
  const auto good =
      make_pytorch_zip(pickled::dict_of(pickled::tensor(pickled::storage("FloatStorage", 4), 0, {4}, {1})));
  const auto read = [](const std::string& zip) { return read_pytorch_zip(as_byte_span(zip), "test.pt"); };
  EXPECT_EQ(read(good).tensors.size(), 1U);
  EXPECT_EQ(read(good).tensors[0].storage.size(), 16U);
  const auto end = good.size() - kZipEndBytes;
  const auto patched = [&](std::size_t at, const std::string& bytes) {
    auto zip = good;
    zip.replace(at, bytes.size(), bytes);
    return zip;
  };
  const auto expect_bad = [&](const std::string& zip, std::string_view part) {
    expect_error(ErrorKind::format, part, [&] { read(zip); });
  };
  expect_bad(patched(end + 16, le(0xFFFFFFF0U)), "claims");
  expect_bad(patched(end + 12, le(0xFFFFFFF0U)), "claims");
  expect_bad(patched(end + 10, le(uint16_t{60000})), "claims 60000 entries");
  expect_bad(patched(end, "XXXX"), "no directory");
  // The last entry of the directory is archive/data/0: its size and the place of its header.
  const auto entry = good.rfind("PK\x01\x02");
  expect_bad(patched(entry + 20, le(0x7FFFFFFFU) + le(0x7FFFFFFFU)), "claims 2147483647 bytes");
  expect_bad(patched(entry + 20, le(uint32_t{17})), "must have one size");
  expect_bad(patched(entry + 42, le(uint32_t{1})), "has no header");
  expect_bad(patched(entry + 42, le(uint32_t{0})), "another name");
  expect_bad(patched(good.find("archive/data/0"), "archive/data/1"), "another name");
  expect_bad(patched(entry + 42, le(0x7FFFFFFFU)), "claims to be at byte");
  expect_bad(patched(entry + 42, le(0xFFFFFFFFU)), "zip64");
  expect_bad(patched(entry, "PK\x01\x03"), "directory is damaged");
  // The same name twice.
  expect_bad(make_zip({{"a/data.pkl", "x"}, {"a/data.pkl", "y"}}), "occurs twice");
  expect_bad(make_zip({{"data.pkl", "x"}}), "in one folder");
  expect_bad(make_zip({{"a/other", "x"}}), "no a/data.pkl");
  expect_bad(make_zip({}), "is empty");
}

TEST(MalformedZip, Zip64ThatClaimsTerabytes) {
  const auto huge = uint64_t{1} << 42U;
  const auto record = le(kZip64EndSignature) + le(uint64_t{44}) + le(uint32_t{0}) + le(uint64_t{0}) + le(huge) +
                      le(huge) + le(huge) + le(huge);
  for (const auto at : {uint64_t{0}, huge, UINT64_MAX}) {
    const auto zip = record + le(kZip64LocatorSignature) + le(uint32_t{0}) + le(at) + le(uint32_t{1}) +
                     le(kZipEndSignature) + std::string(kZipEndBytes - 4, '\xFF').replace(16, 2, 2, '\0');
    expect_error(ErrorKind::format, "claims", [&] { ZipReader(as_byte_span(zip), "test.pt"); });
  }
}

TEST(MalformedZip, CompressedAndEncrypted) {
  const auto pickle = pickled::dict_of(pickled::tensor(pickled::storage("FloatStorage", 4), 0, {4}, {1}));
  const auto zip = make_zip({{"a/data.pkl", pickle}, {"a/data/0", std::string(16, 'z'), 8}});
  expect_error(ErrorKind::unsupported, "\"a/data/0\" is compressed",
               [&] { read_pytorch_zip(as_byte_span(zip), "test.pt"); });
  auto encrypted = make_zip({{"a/data.pkl", pickle}});
  encrypted[encrypted.rfind("PK\x01\x02") + 8] = 1;
  expect_error(ErrorKind::unsupported, "encrypted", [&] { read_pytorch_zip(as_byte_span(encrypted), "test.pt"); });
}

TEST(MalformedZip, BigEndian) {
  const auto zip = make_zip({{"a/data.pkl", "\x80\x02}."}, {"a/byteorder", "big"}});
  expect_error(ErrorKind::unsupported, "\"big\"", [&] { read_pytorch_zip(as_byte_span(zip), "test.pt"); });
}

class Truncated : public testing::TestWithParam<const char*> {};

TEST_P(Truncated, EveryPrefixIsRefused) {
  const auto whole = slurp(io_data(GetParam()));
  const std::string name = GetParam();
  for (std::size_t length = 0; length < whole.size(); ++length) {
    // A copy of just that size, so that the address sanitizer sees a read beyond it.
    const std::vector<std::byte> prefix(as_byte_span(whole).begin(),
                                        as_byte_span(whole).begin() + static_cast<std::ptrdiff_t>(length));
    const auto read = [&] {
      return name.ends_with(".safetensors") ? read_safetensors(prefix, name)
             : name.ends_with("_legacy.pt") ? read_pytorch_legacy(prefix, name)
                                            : read_pytorch_zip(prefix, name);
    };
    try {
      read();
      FAIL() << name << " cut to " << length << " of " << whole.size() << " bytes was accepted";
    } catch (const LMError& error) {
      ASSERT_EQ(to_string(error.kind()), "format") << error.what();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Files, Truncated,
                         testing::Values("dtypes.safetensors", "module.pt", "views.pt", "torchscript.pt",
                                         "module_legacy.pt", "views_legacy.pt", "nested_model_legacy.pt"),
                         [](const auto& file) {
                           std::string name = file.param;
                           name[name.find('.')] = '_';
                           return name;
                         });

class Flipped : public testing::TestWithParam<const char*> {};

TEST_P(Flipped, AnyDamagedByteIsAnErrorOrAnotherTable) {
  const auto whole = slurp(io_data(GetParam()));
  const TemporaryFolder folder;
  std::size_t refused = 0;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    auto damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0xA5);
    const auto path = folder.write("damaged", damaged);
    try {
      const auto checkpoint = Checkpoint::open(path);
      for (const auto& tensor : checkpoint->tensors()) {
        EXPECT_EQ(dense_bytes(tensor).size(), tensor.bytes());
      }
    } catch (const LMError&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, whole.size() / 20);
}

INSTANTIATE_TEST_SUITE_P(Files, Flipped, testing::Values("dtypes.safetensors", "views.pt", "views_legacy.pt"),
                         [](const auto& file) {
                           std::string name = file.param;
                           name[name.find('.')] = '_';
                           return name;
                         });

TEST(MalformedLegacy, WrongParts) {
  const auto magic = std::string("\x80\x02\x8A\x0A\x6C\xFC\x9C\x46\xF9\x20\x6A\xA8\x50\x19.");
  const auto version = std::string("\x80\x02M\xE9\x03.");
  const auto system = "\x80\x02}" + pickled::text("little_endian") + "\x88s.";
  const auto object = pickled::dict_of(pickled::tensor(pickled::storage("FloatStorage", 2), 0, {2}, {1}));
  const auto keys = "\x80\x02]" + pickled::text("0") + "a.";
  const auto data = le(int64_t{2}) + le(1.0F) + le(2.0F);
  const auto read = [](const std::string& file) { return read_pytorch_legacy(as_byte_span(file), "old.pt"); };
  const auto expect_bad = [&](const std::string& file, std::string_view part, ErrorKind kind = ErrorKind::format) {
    expect_error(kind, part, [&] { read(file); });
  };
  EXPECT_EQ(dense_bytes(read(magic + version + system + object + keys + data).tensors[0]), le(1.0F) + le(2.0F));
  expect_bad("\x80\x02N.", "magic number");
  expect_bad(magic + "\x80\x02M\xE8\x03.", "must be 1001");
  expect_bad(magic + version + "\x80\x02N.", "must be a dict");
  const auto big = "\x80\x02}" + pickled::text("little_endian") + "\x89s.";
  expect_bad(magic + version + big, "big-endian", ErrorKind::unsupported);
  expect_bad(magic + version + system + object + "\x80\x02}.", "must be a list");
  expect_bad(magic + version + system + object + "\x80\x02].", "storage \"0\" is missing");
  expect_bad(magic + version + system + object + "\x80\x02]" + pickled::text("7") + "a." + data, "says its type");
  expect_bad(
      magic + version + system + object + "\x80\x02](" + pickled::text("0") + pickled::text("0") + "e." + data + data,
      "occurs twice");
  expect_bad(magic + version + system + object + keys + le(int64_t{-1}), "claims -1 elements");
  expect_bad(magic + version + system + object + keys + le(INT64_MAX), "claims 9223372036854775807");
  expect_bad(magic + version + system + object + keys + le(int64_t{1} << 42U), "cut short");
  expect_bad(magic + version + system + object + keys + le(int64_t{1}) + le(1.0F), "must have 8 bytes, it has 4");
}

TEST(StorageViews, OfVeryOldFiles) {
  // ('storage', type, key, 'cpu', 4, (view key, 1, 3)): elements 1 to 3 of the four.
  const auto view = "(" + pickled::text("storage") + pickled::global("torch", "FloatStorage") + pickled::text("0") +
                    pickled::text("cpu") + pickled::integer(4) + "(" + pickled::text("1") + pickled::integer(1) +
                    pickled::integer(3) + "ttQ";
  const auto zip = make_pytorch_zip(pickled::dict_of(pickled::tensor(view, 0, {3}, {1})));
  const auto table = read_pytorch_zip(as_byte_span(zip), "test.pt");
  EXPECT_EQ(table.tensors[0].storage.size(), 3 * sizeof(float));
  const auto outside = make_pytorch_zip(pickled::dict_of(pickled::tensor(view, 0, {4}, {1})));
  expect_error(ErrorKind::format, "must lie in its storage",
               [&] { read_pytorch_zip(as_byte_span(outside), "test.pt"); });
}

}  // namespace
}  // namespace dstorch
