#include "train/output_directory.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "core/atomic_file.h"
#include "core/throw.h"
#include "dstorch/checkpoint.h"
#include "io/crc32.h"

namespace dstorch::training {
namespace {

namespace fs = std::filesystem;

constexpr const char* kWeights = "model.safetensors";
/// What else a run writes.
constexpr std::array<const char*, 4> kBeside{"config.json", "tokenizer.json", "tokenizer_config.json",
                                             "generation_config.json"};
/// Weights by their other names: a run does not write them, but a directory that has them is a model.
constexpr std::array<const char*, 3> kOtherWeights{"model.safetensors.index.json", "pytorch_model.bin",
                                                   "pytorch_model.bin.index.json"};

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

bool is_one_of(const fs::path& path, std::span<const fs::path> sources) {
  return std::any_of(sources.begin(), sources.end(), [&](const fs::path& source) {
    std::error_code ignored;
    return fs::equivalent(path, source, ignored);
  });
}

/// Whether the weights at `path` have `mark`, or any mark if none is given.
bool has_mark(const fs::path& path, const std::optional<std::string>& mark) {
  try {
    const auto file = Checkpoint::open(path);
    const auto it = file->metadata().find(kRunMarkKey);
    return it != file->metadata().end() && (!mark || it->second == *mark);
  } catch (const LMError&) {
    return false;
  }
}

void require_no_foreign_files(const fs::path& directory, const std::optional<std::string>& mark,
                              std::span<const fs::path> sources) {
  std::vector<std::string> foreign;
  const bool weights = is_there(directory / kWeights);
  const bool own_weights = weights && has_mark(directory / kWeights, mark);
  if (weights && !own_weights) {
    foreign.emplace_back(kWeights);
  }
  for (const char* name : kOtherWeights) {
    if (is_there(directory / name)) {
      foreign.emplace_back(name);
    }
  }
  const bool own = own_weights || is_there(directory / kStateFile);
  for (const char* name : kBeside) {
    if (!own && is_there(directory / name) && !is_one_of(directory / name, sources)) {
      foreign.emplace_back(name);
    }
  }
  require(foreign.empty(), ErrorKind::invalid_argument,
          "{} holds {}, which this run did not write: train into another directory, or let the run replace them "
          "(overwrite, --overwrite)",
          directory.string(), fmt::join(foreign, ", "));
}

}  // namespace

std::string run_mark(const RunIdentity& identity) {
  std::string text;
  for (const auto& [key, value] : identity) {
    text += fmt::format("{}={}\n", key, value);
  }
  return fmt::format("{:08x}", crc32(std::as_bytes(std::span(text))));
}

void require_own_directory(const fs::path& directory, const RunIdentity& identity, std::span<const fs::path> sources) {
  require_no_foreign_files(directory, run_mark(identity), sources);
}

void require_no_model_without_state(const fs::path& directory, std::span<const fs::path> sources) {
  if (!is_there(directory / kStateFile)) {
    require_no_foreign_files(directory, std::nullopt, sources);
  }
}

void clean_directory(const fs::path& directory) {
  prepare_to_replace(directory / kStateFile);
  prepare_to_replace(directory / kWeights);
  for (const char* name : kBeside) {
    prepare_to_replace(directory / name);
  }
}

}  // namespace dstorch::training
