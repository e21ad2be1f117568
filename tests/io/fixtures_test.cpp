// Every file of tests/io/data, made by PyTorch and safetensors (tools/make_io_fixtures.py), against what Python had.
#include "core/json.h"
#include "io/test_files.h"

namespace dstorch {
namespace {

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

const Json& expected_files() {
  static const Json expected = read_json(io_data("expected.json"));
  return expected;
}

class Fixture : public testing::TestWithParam<std::string> {};

TEST_P(Fixture, HoldsWhatPythonSaved) {
  const auto& expected = expected_files().at(GetParam());
  const auto checkpoint = Checkpoint::open(io_data(GetParam()));
  EXPECT_EQ(to_string(checkpoint->kind()), expected.at("kind").get<std::string>());
  const auto& tensors = expected.at("tensors");
  ASSERT_EQ(checkpoint->tensors().size(), tensors.size());
  // safetensors writes in an order of its own; PyTorch keeps the dict's.
  const bool ordered = checkpoint->kind() != CheckpointKind::safetensors;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto name = tensors[i].at("name").get<std::string>();
    SCOPED_TRACE(name);
    const auto* view = checkpoint->find(name);
    ASSERT_NE(view, nullptr);
    EXPECT_EQ(view->name, name);
    if (ordered) {
      EXPECT_EQ(checkpoint->tensors()[i].name, name);
    }
    EXPECT_EQ(view->blocks != nullptr ? view->blocks->name : to_string(view->dtype),
              tensors[i].at("dtype").get<std::string>());
    EXPECT_EQ(view->shape, tensors[i].at("shape").get<std::vector<int64_t>>());
    EXPECT_EQ(dense_bytes(*view), from_hex(tensors[i].at("bytes").get<std::string>()));
  }
  EXPECT_EQ(checkpoint->find("no such tensor"), nullptr);
  if (expected.contains("metadata")) {
    EXPECT_EQ(checkpoint->metadata(), (expected.at("metadata").get<std::map<std::string, std::string>>()));
  }
  for (const auto& group : expected.value("shared", Json::array())) {
    const auto* first = checkpoint->find(group.at(0).get<std::string>());
    for (const auto& name : group) {
      EXPECT_EQ(checkpoint->find(name.get<std::string>())->storage.data(), first->storage.data()) << name;
    }
  }
}

std::vector<std::string> fixture_names() {
  std::vector<std::string> names;
  for (const auto& [name, file] : expected_files().items()) {
    names.push_back(name);
  }
  return names;
}

std::string test_name(const testing::TestParamInfo<std::string>& info) {
  auto name = info.param;
  for (auto& c : name) {
    c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  }
  return name;
}

INSTANTIATE_TEST_SUITE_P(AllFiles, Fixture, testing::ValuesIn(fixture_names()), test_name);

TEST(Checkpoint, KeepsStridesAndOffsetsOfViews) {
  const auto checkpoint = Checkpoint::open(io_data("views.pt"));
  const auto* steps = checkpoint->find("steps");
  ASSERT_NE(steps, nullptr);
  EXPECT_EQ(steps->strides, (std::vector<int64_t>{12, 3}));
  EXPECT_EQ(steps->storage_offset, 6);
  EXPECT_EQ(steps->storage.size(), 24 * sizeof(float));
  EXPECT_FALSE(steps->is_contiguous());
  float first = 0;
  std::memcpy(&first, steps->data(), sizeof(first));
  EXPECT_EQ(first, 6.0F);
  const auto* row = checkpoint->find("row");
  EXPECT_TRUE(row->is_contiguous());
  EXPECT_EQ(row->bytes(), 6 * sizeof(float));
  EXPECT_TRUE(checkpoint->find("scalar")->is_contiguous());
  EXPECT_TRUE(checkpoint->find("empty")->is_contiguous());
  // Steps that are never taken may be any.
  TensorView view;
  view.shape = {3, 1};
  view.strides = {1, 7};
  EXPECT_TRUE(view.is_contiguous());
  view.shape = {3, 0, 2};
  view.strides = {9, 9, 9};
  EXPECT_TRUE(view.is_contiguous());
}

TEST(Checkpoint, ListsTheFilesItMaps) {
  const auto single = Checkpoint::open(io_data("module.pt"));
  EXPECT_EQ(single->files(), (std::vector{io_data("module.pt")}));
  const auto shards = Checkpoint::open(io_data("shards_bin"));
  ASSERT_EQ(shards->files().size(), 2U);
  EXPECT_EQ(shards->files()[1].filename(), "pytorch_model-00002-of-00002.bin");
}

}  // namespace
}  // namespace dstorch
