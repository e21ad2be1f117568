#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/command.h"

namespace dstorch::test {

inline std::string content(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// A folder with a text and a config of which `dstorch train` makes a small model.
class TrainCommand : public testing::Test {
 protected:
  TrainCommand() {
    folder_ = std::filesystem::temp_directory_path() / ("dstorch_train_command_" + std::to_string(::getpid()));
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    std::ofstream text(folder_ / "text.txt");
    for (int i = 0; i < 2000; ++i) {
      text << "item " << i % 10 << " is " << (i % 2 == 0 ? "even" : "odd") << "\n";
    }
    const nlohmann::json config = {
        {"model_type", "llama"},      {"vocab_size", 4096},     {"hidden_size", 16},
        {"intermediate_size", 32},    {"num_hidden_layers", 1}, {"num_attention_heads", 2},
        {"num_key_value_heads", 1},   {"head_dim", 8},          {"max_position_embeddings", 64},
        {"tie_word_embeddings", true}};
    std::ofstream(folder_ / "config.json") << config;
  }
  ~TrainCommand() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::vector<std::string> train(const std::string& output, int steps, int save_every = 0) const {
    return dstorch_command({"train",
                            "--data",
                            (folder_ / "text.txt").string(),
                            "--tokenizer",
                            (source_dir() / "models/default").string(),
                            "--config",
                            (folder_ / "config.json").string(),
                            "-o",
                            (folder_ / output).string(),
                            "--steps",
                            std::to_string(steps),
                            "--batch-size",
                            "2",
                            "--sequence-length",
                            "32",
                            "--warmup",
                            "2",
                            "--eval-every",
                            "0",
                            "--save-every",
                            std::to_string(save_every),
                            "--threads",
                            "1",
                            "--log-every",
                            "1"});
  }

  /// The names in the directory `output`.
  [[nodiscard]] std::vector<std::string> files_of(const std::string& output) const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_ / output)) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }

  std::filesystem::path folder_;
};

}  // namespace dstorch::test
