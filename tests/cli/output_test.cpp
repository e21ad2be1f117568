// What could not be printed is a failure, whichever command it was: exit code 1, and the reason.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/command.h"

namespace dstorch::test {
namespace {

using testing::HasSubstr;

std::vector<std::vector<std::string>> commands_that_print() {
  const auto readme = (source_dir() / "README.md").string();
  const auto model = (source_dir() / "models/default").string();
  return {{"--help"},
          {"--version"},
          {"generate", "--help"},
          {"generate", "python3-yaml\t", "--temperature", "0", "--max-tokens", "8"},
          {"generate", "python3-yaml\t", "--max-tokens", "8", "--json"},
          {"embed", "a text"},
          {"embed", "a text", "--json"},
          {"logits", "python3-"},
          {"logits", "python3-", "--json"},
          {"tokenize", "python3-yaml"},
          {"tokenize", "python3-yaml", "--json"},
          {"tokenize", "--decode", "389"},
          {"inspect", model},
          {"inspect", model, "--json"},
          {"plan", model},
          {"plan", model, "--json"},
          {"perplexity", readme},
          {"perplexity", readme, "--json"},
          {"devices"},
          {"devices", "--json"},
          {"bench", "--prompt-tokens", "1", "--max-tokens", "1", "--repetitions", "1"},
          {"bench", "--prompt-tokens", "1", "--max-tokens", "1", "--repetitions", "1", "--json"}};
}

ProcessResult through_shell(const std::string& redirection, const std::vector<std::string>& arguments) {
  auto words = dstorch_command(arguments);
  words.insert(words.begin(), {"/bin/sh", "-c", "exec \"$@\" " + redirection, "sh"});
  return run_process(words);
}

TEST(Output, AFullDiskFailsEveryCommand) {
  for (const auto& arguments : commands_that_print()) {
    const auto result = through_shell(">/dev/full", arguments);
    EXPECT_EQ(result.exit_code, 1) << testing::PrintToString(arguments);
    EXPECT_EQ(result.err, "error: cannot write standard output: No space left on device\n")
        << testing::PrintToString(arguments);
  }
}

TEST(Output, AClosedOutputFailsEveryCommand) {
  for (const auto& arguments : commands_that_print()) {
    const auto result = through_shell(">&-", arguments);
    EXPECT_EQ(result.exit_code, 1) << testing::PrintToString(arguments);
    EXPECT_EQ(result.err, "error: cannot write standard output: it is closed\n") << testing::PrintToString(arguments);
  }
}

TEST(Output, AReaderThatLeavesEndsTheCommandQuietly) {
  const auto result = run_process({"/bin/sh", "-c", R"("$1" inspect "$2" | head -1)", "sh",
                                   (build_dir() / "dstorch").string(), (source_dir() / "models/default").string()});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.err, "");
}

TEST(Output, AClosedErrorStreamDoesNotGetIntoFilesThatAreWritten) {
  const auto file = std::filesystem::path(testing::TempDir()) / "dstorch_output_tokenizer.json";
  const auto arguments = std::vector<std::string>{
      "train-tokenizer", (source_dir() / "README.md").string(), "--vocab-size", "300", "-o", file.string()};
  ASSERT_EQ(dstorch(arguments).exit_code, 0);
  const auto expected = std::filesystem::file_size(file);
  std::filesystem::remove(file);
  EXPECT_EQ(through_shell("<&- >&- 2>&-", arguments).exit_code, 0);
  EXPECT_EQ(std::filesystem::file_size(file), expected);
  std::filesystem::remove(file);
}

TEST(Output, AnInputThatCannotBeReadIsAFailure) {
  for (const char* redirection : {"<&-", "</"}) {
    const auto result = through_shell(redirection, {"tokenize", "-"});
    EXPECT_EQ(result.exit_code, 1) << redirection;
    EXPECT_THAT(result.err, HasSubstr("error: cannot read standard input: ")) << redirection;
  }
}

}  // namespace
}  // namespace dstorch::test
