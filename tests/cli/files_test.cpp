// What the command does to files that are there, and with files that are not what they seem.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "cli/command.h"

namespace dstorch::test {
namespace {

namespace fs = std::filesystem;

using testing::HasSubstr;
using testing::StartsWith;

TEST(Scripts, RunOnlyWhenAllowed) {
  const auto archive = (source_dir() / "tests/parity/fixtures/torchscript/network.pt").string();
  const auto refused = dstorch({"generate", "x", "-m", archive});
  EXPECT_EQ(refused.exit_code, 2);  // it was asked for what may not be
  EXPECT_THAT(refused.err, HasSubstr("--allow-scripts"));
  EXPECT_EQ(refused.out, "");
  const auto allowed = dstorch({"generate", "x", "-m", archive, "--allow-scripts"});
  EXPECT_EQ(allowed.exit_code, 0) << allowed.err;
  EXPECT_THAT(allowed.out, StartsWith("Torch model output (shape: 1x4, "));
}

class CommandFiles : public testing::Test {
 protected:
  CommandFiles() {
    std::string name = (fs::temp_directory_path() / "dstorch-command-files-XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    std::ofstream(folder_ / "text.txt") << "one two three\nfour five six\n";
  }
  ~CommandFiles() override { fs::remove_all(folder_); }

  [[nodiscard]] std::string path(const std::string& name) const { return (folder_ / name).string(); }

  [[nodiscard]] std::vector<std::string> train_tokenizer(const std::string& output) const {
    return dstorch_command({"train-tokenizer", path("text.txt"), "--vocab-size", "260", "-o", output});
  }

  fs::path folder_;
};

/// As `dstorch`, but what hangs is ended and exits with 124.
ProcessResult soon(std::vector<std::string> arguments) {
  auto command = dstorch_command(std::move(arguments));
  command.insert(command.begin(), {"/usr/bin/timeout", "20"});
  return run_process(command);
}

TEST_F(CommandFiles, NothingWaitsForAFifo) {
  const auto fifo = path("fifo");
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  const auto model = (source_dir() / "models/default").string();
  const auto config = model + "/config.json";
  fs::create_directory(folder_ / "odd model");
  fs::copy(model, folder_ / "odd model");
  fs::remove(folder_ / "odd model/config.json");
  fs::create_symlink(fifo, folder_ / "odd model/config.json");
  fs::create_directory(folder_ / "odd tokenizer");
  fs::create_symlink(fifo, folder_ / "odd tokenizer/tokenizer.json");
  fs::create_directory(folder_ / "talks");
  std::ofstream(folder_ / "talks/chat_template.jinja") << "{{ messages }}";
  const auto train = [&](const std::string& data, const std::string& tokenizer, const std::string& a_config,
                         const std::string& output) {
    return std::vector<std::string>{"train",  "--data",   data,   "--tokenizer", tokenizer, "--config",
                                    a_config, "--output", output, "--steps",     "1"};
  };
  const std::vector<std::vector<std::string>> commands{
      {"inspect", fifo},
      {"generate", "x", "-m", fifo},
      {"generate", "x", "-m", path("odd model")},
      {"generate", "x", "-m", model, "--tokenizer", fifo},
      {"tokenize", "x", "-m", path("odd tokenizer")},
      {"perplexity", fifo},
      {"plan", path("odd model")},
      {"embed", "--file", fifo},
      {"template", "-m", fifo, "--messages", path("text.txt")},
      {"template", "-m", path("talks"), "--messages", fifo},
      {"template", "-m", path("talks"), "--messages", path("text.txt"), "--tools", fifo},
      {"train-tokenizer", fifo, "-o", path("out.json")},
      {"train-tokenizer", path("text.txt"), "-o", fifo},
      train(fifo, model, config, path("out")),
      train(path("text.txt"), fifo, config, path("out")),
      train(path("text.txt"), model, fifo, path("out")),
      train(path("text.txt"), model, config, fifo)};
  for (const auto& command : commands) {
    const auto result = soon(command);
    EXPECT_EQ(result.exit_code, 2) << testing::PrintToString(command) << result.err;
    EXPECT_THAT(result.err, StartsWith("error: ")) << testing::PrintToString(command);
    EXPECT_EQ(result.out, "") << testing::PrintToString(command);
  }
  // A config beside a model that is no file tells no name, that is all.
  EXPECT_EQ(soon({"inspect", path("odd model")}).exit_code, 0);
  EXPECT_TRUE(fs::is_fifo(fifo));
}

TEST_F(CommandFiles, OnlyFilesAreReplaced) {
  fs::create_directory(folder_ / "folder");
  std::ofstream(folder_ / "folder/file") << "theirs";
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  fs::create_symlink("/dev/full", folder_ / "link to a device");
  for (const auto& output : {std::string("/dev/full"), path("link to a device"), path("fifo"), path("folder")}) {
    const auto result = run_process(train_tokenizer(output));
    EXPECT_EQ(result.exit_code, 2) << output;
    EXPECT_THAT(result.err, HasSubstr("which is not replaced")) << output;
  }
  EXPECT_TRUE(fs::is_character_file("/dev/full"));
  EXPECT_TRUE(fs::is_symlink(folder_ / "link to a device"));
  EXPECT_TRUE(fs::is_fifo(folder_ / "fifo"));
  EXPECT_TRUE(fs::exists(folder_ / "folder/file"));

  std::ofstream(folder_ / "target") << "old";
  fs::create_symlink("target", folder_ / "link");
  EXPECT_EQ(run_process(train_tokenizer(path("link"))).exit_code, 0);
  EXPECT_TRUE(fs::is_symlink(folder_ / "link"));
  EXPECT_GT(fs::file_size(folder_ / "target"), 100U);
}

TEST_F(CommandFiles, TheUmaskDecidesWhoMayRead) {
  auto command = train_tokenizer(path("private.json"));
  command.insert(command.begin(), {"/bin/sh", "-c", R"(umask 077; exec "$@")", "sh"});
  ASSERT_EQ(run_process(command).exit_code, 0);
  EXPECT_EQ(fs::status(folder_ / "private.json").permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(CommandFiles, TrainingDoesNotReplaceAModelOfSomebodyElse) {
  fs::copy(source_dir() / "models/default", folder_ / "M");
  const auto weights = fs::file_size(folder_ / "M/model.safetensors");
  std::vector<std::string> command{"train",
                                   "--data",
                                   path("text.txt"),
                                   "--tokenizer",
                                   path("M"),
                                   "--config",
                                   path("M/config.json"),
                                   "-o",
                                   path("M"),
                                   "--steps",
                                   "1",
                                   "--sequence-length",
                                   "4",
                                   "--batch-size",
                                   "1",
                                   "--held-out-fraction",
                                   "0"};
  const auto refused = dstorch(command);
  EXPECT_EQ(refused.exit_code, 2);  // it was asked for what may not be
  EXPECT_THAT(refused.err,
              HasSubstr("M holds model.safetensors, generation_config.json, which this run did not write"));
  EXPECT_EQ(fs::file_size(folder_ / "M/model.safetensors"), weights);
  EXPECT_FALSE(fs::exists(folder_ / "M/training_state.safetensors"));
  command.emplace_back("--overwrite");
  const auto replaced = dstorch(command);
  EXPECT_EQ(replaced.exit_code, 0) << replaced.err;
  EXPECT_THAT(replaced.err, HasSubstr(", nothing held out"));
  EXPECT_NE(fs::file_size(folder_ / "M/model.safetensors"), weights);
}

}  // namespace
}  // namespace dstorch::test
