// Wrong usage: what was meant is guessed, what is wrong is named, and the exit code is 2.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "cli/command.h"

namespace dstorch::test {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

TEST(Usage, AWordThatIsNearlyACommandOrAnOptionIsGuessed) {
  struct Case {
    std::vector<std::string> words;
    std::string message;
  };
  for (const auto& [words, message] :
       std::vector<Case>{{{"generat", "x"}, "there is no command \"generat\"; did you mean generate?"},
                         {{"tokenzie", "x"}, "there is no command \"tokenzie\"; did you mean tokenize?"},
                         {{"gen", "x"}, "there is no command \"gen\"; did you mean generate?"},
                         {{"xyzzy"}, "there is no command \"xyzzy\"\n"},
                         {{"generate", "x", "--temprature", "0"},
                          "there is no option --temprature for generate; did you mean "
                          "--temperature?"},
                         {{"generate", "x", "--max-token=3"},
                          "there is no option --max-token for generate; did you mean --max-tokens?"},
                         {{"inspect", "x", "--jsno"}, "there is no option --jsno for inspect; did you mean --json?"},
                         {{"generate", "x", "--no-such-option"}, "there is no option --no-such-option for generate\n"},
                         {{"plan", "--bf16", "onn"}, "--bf16 must be auto or on or off, got \"onn\"; did you mean on?"},
                         {{"--versoin"}, "there is no option --versoin before the command; did you mean --version?"},
                         {{"generate", "two", "words"}, "\"words\" is one text too many"}}) {
    const auto result = dstorch(words);
    EXPECT_EQ(result.exit_code, 2) << testing::PrintToString(words);
    EXPECT_THAT(result.err, StartsWith("error: " + message));
    EXPECT_EQ(result.out, "");
  }
}

TEST(Usage, AWrongValueOfAnOptionIsTwoWithItsOwnMessage) {
  struct Case {
    std::vector<std::string> words;
    std::string message;
  };
  for (const auto& [words, message] : std::vector<Case>{
           {{"generate", "x", "--temperature", "-1"}, "temperature must be between 0 and 1000000, got -1"},
           {{"generate", "x", "--temperature", ""}, "--temperature must be a number, got \"\""},
           {{"generate", "x", "--temperature", "warm"}, "--temperature must be a number, got \"warm\""},
           {{"generate", "x", "--temperature", "1.5x"}, "--temperature must be a number, got \"1.5x\""},
           {{"generate", "x", "--temperature", "1e999"}, "--temperature must be a number, got \"1e999\""},
           {{"generate", "x", "--temperature", "nan"}, "temperature must be between 0 and 1000000, got nan"},
           {{"generate", "x", "--max-tokens", ""}, "--max-tokens must be a whole number, got \"\""},
           {{"generate", "x", "--max-tokens", "1.5"}, "--max-tokens must be a whole number, got \"1.5\""},
           {{"generate", "x", "--max-tokens", "99999999999999999999"},
            "--max-tokens must be between -9223372036854775808 and 9223372036854775807, got 99999999999999999999"},
           {{"generate", "x", "--max-tokens", "-1"}, "max_tokens must be at least 0, got -1"},
           {{"generate", "x", "--seed", "-1"}, "--seed must be a whole number of at least 0, got \"-1\""},
           {{"generate", "x", "--seed", "123456789012345678901234567890"},
            "--seed must be between 0 and 18446744073709551615, got 123456789012345678901234567890"},
           {{"generate", "x", "--seed", ""}, "--seed must be a whole number of at least 0, got \"\""},
           {{"generate", "x", "--top-p", "1.5"}, "top_p must be above 0 and at most 1, got 1.5"},
           {{"generate", "x", "--logprobs", "many"}, "--logprobs must be a whole number, got \"many\""},
           {{"generate", "x", "--logit-bias", "1"}, "--logit-bias must be ID:BIAS, as in 42:-5 or 42:-inf; got \"1\""},
           {{"generate", "x", "--stop", ""}, "--stop must not be empty"},
           {{"generate", "x", "--device", "gpu"}, "device must be cpu, cuda, cuda:N or webgl, got \"gpu\""},
           {{"generate", "x", "--device", ""}, "--device must not be empty"},
           {{"generate", "x", "-m", ""}, "--model must not be empty"},
           {{"generate", "x", "--dtype", "q4_0"},
            "--dtype must be float32, bfloat16, float16 or float64, got \"q4_0\""},
           {{"generate", "x", "--dtype", "int8"},
            "--dtype must be float32, bfloat16, float16 or float64, got \"int8\""},
           {{"generate", "x", "--threads", "10000"}, "threads must be between 0 and "},
           {{"generate", "x", "--threads", "-1"}, "threads must be between 0 and "},
           {{"generate", "x", "--threads", "two"}, "--threads must be a whole number, got \"two\""},
           {{"generate", "x", "--context", "999999"}, "max_context must be between 1 and the model's 2048"},
           {{"generate", "x", "--memory-limit", "0"}, "--memory-limit must be a number of bytes"},
           {{"generate", "--ids", "1,two"},
            "--ids must be whole numbers with commas between them, as in 1,2,3; got \"1,two\""},
           {{"generate", "--ids", ""}, "--ids must be whole numbers with commas between them, as in 1,2,3; got \"\""},
           {{"generate", "--ids", "1,"},
            "--ids must be whole numbers with commas between them, as in 1,2,3; got \"1,\""},
           {{"generate", "--ids", "123456789"}, "token ids must be between 0 and 4095, got 123456789"},
           {{"generate", ""}, "the prompt must hold at least one token"},
           {{"tokenize", "--decode", "1,x"}, "--decode must be whole numbers with commas between them"},
           {{"bench", "--repetitions", "0"}, "--repetitions must be at least 1, got 0"},
           {{"bench", "--threads", "10000"}, "threads must be between 0 and "},
           {{"plan", "--batch", "-1"}, "batch must be between 0 and"},
           {{"plan", "--context", "999999"}, "the context must be at most the model's 2048, got 999999"},
           {{"plan", "--memory-limit", "8X"},
            "--memory-limit must be a number of bytes, or one with K, M, G or T as in 500M; "
            "got \"8X\""},
           {{"plan", "--memory-limit", "-1G"}, "--memory-limit must be a number of bytes"},
           {{"train-tokenizer", "README.md", "-o", ""}, "--output must not be empty"},
           {{"train-tokenizer", "README.md", "-o", "x.json", "--vocab-size", "big"},
            "--vocab-size must be a whole number"}}) {
    const auto result = dstorch(words);
    EXPECT_EQ(result.exit_code, 2) << testing::PrintToString(words);
    EXPECT_THAT(result.err, StartsWith("error: " + message)) << testing::PrintToString(words);
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    EXPECT_THAT(result.err, Not(HasSubstr("Torch model")));
    EXPECT_EQ(result.out, "");
  }
}

TEST(Usage, TooFewOrTooManyValuesOfAnOptionAreSaidInPlainWords) {
  EXPECT_THAT(dstorch({"generate", "x", "--max-tokens="}).err, StartsWith("error: --max-tokens needs a value\n"));
  EXPECT_THAT(dstorch({"generate", "x", "--stop"}).err, StartsWith("error: --stop needs a value\n"));
  const auto twice = dstorch({"generate", "x", "--seed", "1", "--seed", "2"});
  EXPECT_THAT(twice.err, StartsWith("error: --seed can be given once\n"));
  EXPECT_EQ(twice.exit_code, 2);
  EXPECT_EQ(dstorch({"generate", "x", "--max-tokens", "1", "--stop", "a", "--stop", "b"}).exit_code, 0);
}

TEST(Usage, NothingAskedForShowsTheHelpAsAnError) {
  const auto result = dstorch({});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.err, dstorch({"--help"}).out);
}

TEST(Usage, HelpComesInGroupsAndPlainWords) {
  const auto all = dstorch({"--help"}).out;
  for (const char* group :
       {" Run a model:\n  generate ", " Look at models and machines:\n  tokenize ", " Train:\n  finetune "}) {
    EXPECT_THAT(all, HasSubstr(group));
  }
  const auto help = dstorch({"generate", "--help"}).out;
  for (const char* group : {"\nWhere to end:\n", "\nChoosing tokens:\n", "\nModel:\n", "\nOutput:\n"}) {
    EXPECT_THAT(help, HasSubstr(group));
  }
  EXPECT_THAT(help, HasSubstr("Usage: dstorch generate [PROMPT] [OPTIONS]\n"));
  EXPECT_THAT(help,
              HasSubstr("  --max-tokens N              Most tokens to make; left out, what the context has room for"));
  EXPECT_THAT(
      dstorch({"train", "--help"}).out,
      HasSubstr("Usage: dstorch train --data FILE ... --tokenizer PATH --config FILE --output DIR [OPTIONS]\n"));
  for (const char* command : {"generate", "classify", "embed", "logits", "tokenize", "template", "inspect", "plan",
                              "perplexity", "bench", "devices", "train", "train-tokenizer"}) {
    const auto text = dstorch({command, "--help"}).out;
    for (const char* raw :
         {"TEXT Excludes", "Excludes:", " INT", " FLOAT", " UINT", ":{", "REQUIRED", "[0 - ", "1.79769"}) {
      EXPECT_THAT(text, Not(HasSubstr(raw))) << command;
    }
    for (std::size_t begin = 0; begin < text.size();) {
      const auto end = text.find('\n', begin);
      if (text.compare(begin, 10, "  dstorch ") != 0) {  // an example is one line
        EXPECT_LE(end - begin, 100U) << text.substr(begin, end - begin);
      }
      begin = end + 1;
    }
  }
}

}  // namespace
}  // namespace dstorch::test
