#include "parity/fixture.h"

#include <stdlib.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>

#include "core/throw.h"
#include "dstorch/checkpoint.h"
#include "support/paths.h"

namespace dstorch::parity {

namespace fs = std::filesystem;

namespace {

// Rows of a contiguous float32 or bfloat16 matrix.
std::vector<std::vector<float>> read_rows(const TensorView& tensor) {
  require(tensor.shape.size() == 2 && tensor.is_contiguous(), ErrorKind::format, "{} must be a matrix", tensor.name);
  std::vector<std::vector<float>> rows(static_cast<std::size_t>(tensor.shape[0]));
  const std::byte* next = tensor.data();
  for (auto& row : rows) {
    row.resize(static_cast<std::size_t>(tensor.shape[1]));
    for (float& value : row) {
      if (tensor.dtype == DType::float32) {
        std::memcpy(&value, next, sizeof(float));
      } else {
        uint16_t high = 0;
        std::memcpy(&high, next, sizeof(high));
        value = std::bit_cast<float>(static_cast<uint32_t>(high) << 16);
      }
      next += size_of(tensor.dtype);
    }
  }
  return rows;
}

std::vector<std::string> names_with(const std::string& file) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(fixtures_path())) {
    const bool language_model = fs::exists(entry.path() / "expected.json") && entry.path().filename() != "text";
    if (language_model && fs::exists(entry.path() / file)) {
      names.push_back(entry.path().filename().string());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

std::vector<int64_t> Fixture::ids(int64_t length) const {
  std::vector<int64_t> all = prompt;
  all.insert(all.end(), greedy.begin(), greedy.end());
  all.resize(static_cast<std::size_t>(length));
  return all;
}

fs::path fixtures_path() { return test::source_dir() / "tests/parity/fixtures"; }

std::vector<std::string> fixture_names() { return names_with("expected.json"); }

std::vector<std::string> old_config_names() { return names_with("old_config.json"); }

Fixture load_fixture(const std::string& name) {
  const Json own = read_json(fixtures_path() / name / "expected.json");
  const std::string source = json_get_or<std::string>(own, "same_as", name, name);
  const Json json = read_json(fixtures_path() / source / "expected.json");
  Fixture fixture;
  fixture.name = name;
  fixture.model = fixtures_path() / name / "model";
  fixture.weights_dtype = json_get<std::string>(json, "weights_dtype", source);
  fixture.parameters = json_get<int64_t>(json, "parameters", source);
  fixture.prompt = json_get<std::vector<int64_t>>(json, "prompt", source);
  fixture.greedy = json_get<std::vector<int64_t>>(json, "greedy", source);
  fixture.eos_index = json_get<int64_t>(json, "eos_index", source);

  const auto tensors = Checkpoint::open(fixtures_path() / source / "expected.safetensors");
  const TensorView* positions = tensors->find("positions");
  const TensorView* logits = tensors->find("logits");
  require(positions && logits, ErrorKind::format, "{} lacks positions or logits", source);
  fixture.positions.resize(static_cast<std::size_t>(positions->numel()));
  std::memcpy(fixture.positions.data(), positions->data(), positions->bytes());
  fixture.logits = read_rows(*logits);
  if (const TensorView* bf16 = tensors->find("logits_bf16")) {
    fixture.logits_bf16 = read_rows(*bf16);
  }
  float low = fixture.logits[0][0];
  float high = low;
  for (const auto& row : fixture.logits) {
    low = std::min(low, *std::min_element(row.begin(), row.end()));
    high = std::max(high, *std::max_element(row.begin(), row.end()));
  }
  fixture.range = static_cast<double>(high) - low;
  return fixture;
}

std::unique_ptr<TorchModel> open_model(const fs::path& path, int threads) {
  TorchModelConfig config;
  config.model_path = path;
  config.threads = threads;
  config.allow_scripts = true;  // the fixtures are ours
  auto model = std::make_unique<TorchModel>(std::move(config));
  model->init();
  return model;
}

GenerationOptions greedy_options(int64_t max_tokens) {
  GenerationOptions options;
  options.temperature = 0;
  options.max_tokens = max_tokens;
  options.ignore_eos = true;
  return options;
}

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double largest = a.size() == b.size() ? 0.0 : std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    const double difference = std::abs(static_cast<double>(a[i]) - b[i]);
    largest = std::isfinite(difference) ? std::max(largest, difference) : std::numeric_limits<double>::infinity();
  }
  return largest;
}

TemporaryFolder::TemporaryFolder() {
  std::string name = (fs::temp_directory_path() / "dstorch-parity-XXXXXX").string();
  require(mkdtemp(name.data()) != nullptr, ErrorKind::io, "cannot make {}", name);
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

void write_text(const fs::path& path, const std::string& text) {
  std::ofstream stream(path, std::ios::binary);
  stream << text;
  require(stream.flush().good(), ErrorKind::io, "cannot write {}", path.string());
}

}  // namespace dstorch::parity
