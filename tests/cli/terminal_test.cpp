// What a terminal shows beside the text: lines that move and go away, speed in a faint colour.
#include "support/terminal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/command.h"

namespace dstorch::test {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

const std::vector<std::string> kGenerate{"generate", "python3-yaml\t", "--temperature", "0", "--max-tokens", "12"};

TerminalResult show(const std::vector<std::string>& arguments,
                    const std::vector<std::string>& environment = {"-u", "NO_COLOR", "TERM=xterm"}) {
  return run_in_terminal(dstorch_command(arguments), environment);
}

/// What is left to see of a screen: the text after the last time its line was wiped, line by line.
std::string left_of(const std::string& screen) {
  std::string seen;
  std::string line;
  for (std::size_t i = 0; i < screen.size(); ++i) {
    if (screen.compare(i, 4, "\r\033[K") == 0) {
      line.clear();
      i += 3;
    } else if (screen[i] == '\n') {
      seen += line + '\n';
      line.clear();
    } else if (screen[i] != '\r') {
      line += screen[i];
    }
  }
  return seen + line;
}

TEST(Terminal, GenerateEndsWithItsSpeedInAFaintLine) {
  const auto result = show(kGenerate);
  EXPECT_EQ(result.exit_code, 0) << result.screen;
  EXPECT_THAT(result.screen, ContainsRegex("\033\\[2m[0-9]+ tokens, [0-9.]+ tokens/s; prompt of [0-9]+ read in "
                                           "[0-9.]+ s\033\\[0m\r\n"));
  // Nothing of it where nobody looks, and the text is the same.
  const auto piped = dstorch(kGenerate);
  EXPECT_EQ(piped.err, "");
  EXPECT_EQ(left_of(result.screen).rfind(piped.out, 0), 0U) << result.screen << piped.out;
}

TEST(Terminal, NoColourWhereItIsNotWanted) {
  const auto plain = show(kGenerate, {"NO_COLOR=1", "TERM=xterm"});
  EXPECT_THAT(plain.screen, HasSubstr("tokens/s; prompt of "));
  EXPECT_THAT(plain.screen, Not(HasSubstr("\033[2m")));
  // A dumb terminal obeys no control sequences at all.
  for (const char* terminal : {"TERM=dumb", "TERM="}) {
    const auto dumb = show({"bench", "--prompt-tokens", "256", "--max-tokens", "64", "--repetitions", "1"}, {terminal});
    EXPECT_EQ(dumb.exit_code, 0) << dumb.screen;
    EXPECT_THAT(dumb.screen, Not(HasSubstr("\033")));
  }
}

TEST(Terminal, ALineThatMovesSaysWhatIsDoneAndGoesAway) {
  const auto result = show({"bench", "--prompt-tokens", "2000", "--max-tokens", "400", "--repetitions", "8"});
  EXPECT_EQ(result.exit_code, 0) << result.screen;
  EXPECT_THAT(result.screen, ContainsRegex("\r\033\\[K\033\\[2m[-|/\\\\] run [1-8] of 8: [^\r\n]* \\([0-9.]+ s\\)"));
  EXPECT_THAT(result.screen, HasSubstr("measuring how fast the memory can be read"));
  const auto left = left_of(result.screen);
  EXPECT_EQ(left.rfind("model ", 0), 0U) << left;
  EXPECT_THAT(left, Not(HasSubstr("measuring")));
}

TEST(Terminal, ProgressIsNotForPipes) {
  const auto result = dstorch({"bench", "--prompt-tokens", "512", "--max-tokens", "200", "--repetitions", "1"});
  EXPECT_EQ(result.err, "");
}

TEST(Terminal, AskedForNothingAtATerminalItDoesNotWait) {
  for (const char* command : {"generate", "logits", "embed"}) {
    const auto result = show({command});
    EXPECT_EQ(result.exit_code, 2);
    EXPECT_THAT(result.screen, HasSubstr("error: ")) << command;
    EXPECT_THAT(result.screen, HasSubstr("standard input is required")) << command;
  }
}

}  // namespace
}  // namespace dstorch::test
