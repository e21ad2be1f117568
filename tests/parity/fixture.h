#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/json.h"
#include "dstorch/torch_model.h"

namespace dstorch::parity {

/// What one tiny model must say, computed by Hugging Face transformers; see tools/make_parity_fixtures.py.
struct Fixture {
  std::string name;
  std::filesystem::path model;
  /// "float32", "bfloat16" or "float16": what the weights are stored as.
  std::string weights_dtype;
  int64_t parameters = 0;
  std::vector<int64_t> prompt;
  /// The 64 likeliest tokens after the prompt, past end tokens.
  std::vector<int64_t> greedy;
  /// Where in `greedy` the end token stands.
  int64_t eos_index = 0;
  /// Positions of prompt + greedy, and the logits there: [positions][vocab].
  std::vector<int64_t> positions;
  std::vector<std::vector<float>> logits;
  /// From transformers running in bfloat16; empty unless the weights are bfloat16.
  std::vector<std::vector<float>> logits_bf16;
  /// Largest minus smallest of all `logits`.
  double range = 0;

  /// The first `length` ids of prompt + greedy.
  [[nodiscard]] std::vector<int64_t> ids(int64_t length) const;
};

/// tests/parity/fixtures.
std::filesystem::path fixtures_path();
/// Every folder of `fixtures_path()` that holds a language model without text, by name.
std::vector<std::string> fixture_names();
/// Those that have an old_config.json too.
std::vector<std::string> old_config_names();
Fixture load_fixture(const std::string& name);

/// A loaded model.
std::unique_ptr<TorchModel> open_model(const std::filesystem::path& path, int threads = 1);

/// Greedy, past end tokens.
GenerationOptions greedy_options(int64_t max_tokens);

/// The largest absolute difference; infinity when the sizes differ or a value is not finite.
double largest_difference(const std::vector<float>& a, const std::vector<float>& b);

/// A folder that goes when the test ends.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

void write_text(const std::filesystem::path& path, const std::string& text);

}  // namespace dstorch::parity
