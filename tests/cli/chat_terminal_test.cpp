// `dstorch chat` at a terminal: keys, colours, Ctrl-C.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "support/temporary_folder.h"
#include "support/terminal.h"

namespace dstorch::test {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

const std::string kPine = "A pine is a conifer with long needles.";
const std::string kBirch = "A birch is a slender tree with white bark.";

class ChatTerminal : public testing::Test {
 protected:
  explicit ChatTerminal(std::vector<std::string> more = {},
                        const std::vector<std::string>& environment = {"-u", "NO_COLOR", "TERM=xterm", "LC_ALL=C"},
                        const std::filesystem::path& model = source_dir() / "examples/trees")
      : terminal_(command(std::move(more), model), environment) {}

  static std::vector<std::string> command(std::vector<std::string> more, const std::filesystem::path& model) {
    more.insert(more.begin(), {"chat", "-m", model.string()});
    return dstorch_command(more);
  }
  /// Waits until the program waits for keys.
  /// Once a question, it asks the terminal to mark what is pasted.
  bool asks() { return terminal_.wait_for("\033[?2004h") && terminal_.wait_for("> "); }
  /// Says `keys` and waits for the answer and the next question.
  bool answers(const std::string& keys, const std::string& answer) {
    terminal_.type(keys);
    return terminal_.wait_for(answer) && asks();
  }
  /// Ends the conversation with Ctrl-D.
  TerminalResult end() {
    terminal_.type("\x04");
    return terminal_.wait();
  }

  Terminal terminal_;
};

TEST_F(ChatTerminal, AnswersAndEndsWithCtrlD) {
  ASSERT_TRUE(asks());
  EXPECT_THAT(terminal_.screen(), HasSubstr("\033[2mllama, 181 thousand parameters, bfloat16. /help says"));
  ASSERT_TRUE(answers("What is a pine?\r", kPine + "\r\n")) << terminal_.screen();
  ASSERT_TRUE(answers("/stats\r", "2 messages, "));
  const auto result = end();
  EXPECT_EQ(result.exit_code, 0) << result.screen;
  EXPECT_THAT(result.screen, Not(HasSubstr("error")));
}

TEST_F(ChatTerminal, ArrowsBringBackWhatWasSaid) {
  ASSERT_TRUE(asks());
  ASSERT_TRUE(answers("What is a pine?\r", kPine));
  ASSERT_TRUE(answers("What is a birch?\r", kBirch));
  ASSERT_TRUE(answers("\033[A\033[A\r", kPine)) << terminal_.screen();
  // Put right before it is sent again.
  ASSERT_TRUE(
      answers("\033[A\x7F\x7F\x7F\x7F\x7F"
              "birch?\r",
              kBirch))
      << terminal_.screen();
  ASSERT_TRUE(answers("/quit\x15What is a pine?\r", kPine)) << terminal_.screen();
  EXPECT_EQ(end().exit_code, 0);
}

class ShortAnswers : public ChatTerminal {
 protected:
  ShortAnswers() : ChatTerminal({"--max-tokens", "5"}) {}
};

TEST_F(ShortAnswers, AMessageMayHaveManyLines) {
  const auto file = (std::filesystem::temp_directory_path() / ("dstorch_lines_" + std::to_string(getpid()))).string();
  ASSERT_TRUE(asks());
  const auto says = [&](const std::string& keys) {
    terminal_.type("/reset\r");
    EXPECT_TRUE(terminal_.wait_for("a new conversation") && asks());
    terminal_.type(keys + "\r");
    EXPECT_TRUE(asks()) << terminal_.screen();
    EXPECT_TRUE(answers("/save " + file + "\r", "messages saved")) << terminal_.screen();
    return nlohmann::json::parse(std::ifstream(file))[0]["content"].get<std::string>();
  };
  EXPECT_EQ(says("one\033\rtwo"), "one\ntwo");                              // Alt-Enter
  EXPECT_EQ(says("one\ntwo"), "one\ntwo");                                  // Ctrl-J
  EXPECT_EQ(says("\033[200~one\rtwo\r/quit\033[201~"), "one\ntwo\n/quit");  // pasted
  EXPECT_EQ(says("Gr\xC3\xBC\xC3\x9F"
                 "e \xF0\x9F\x8C\xB2"),
            "Gr\xC3\xBC\xC3\x9F"
            "e \xF0\x9F\x8C\xB2");
  EXPECT_EQ(says("one\\\rtwo"), "one\ntwo");  // a backslash at the end
  EXPECT_EQ(end().exit_code, 0);
  std::filesystem::remove(file);
}

TEST_F(ChatTerminal, ReasoningIsFaint) {
  ASSERT_TRUE(asks());
  ASSERT_TRUE(answers("Which is taller, an oak or a fir?\r", "\r\nThe fir.\r\n")) << terminal_.screen();
  EXPECT_THAT(terminal_.screen(), ContainsRegex("\033\\[2m[^\033]*fir[^\033]*\033\\[0m"));
  EXPECT_EQ(end().exit_code, 0);
}

/// The same model with room for answers of minutes, so that the keys come before their end on any machine.
class RoomyModel {
 public:
  RoomyModel() {
    std::filesystem::copy(source_dir() / "examples/trees", path());
    auto config = nlohmann::json::parse(std::ifstream(path() / "config.json"));
    config["max_position_embeddings"] = 100'000;
    std::ofstream(path() / "config.json") << config;
  }
  [[nodiscard]] std::filesystem::path path() const { return folder_.path() / "model"; }

 private:
  TemporaryFolder folder_;
};

class LongAnswers : private RoomyModel, public ChatTerminal {
 protected:
  LongAnswers()
      : ChatTerminal({"--ignore-eos", "--max-tokens", "90000"}, {"-u", "NO_COLOR", "TERM=xterm", "LC_ALL=C"},
                     RoomyModel::path()) {}
};

TEST_F(LongAnswers, CtrlCStopsTheAnswerAndNotTheProgram) {
  ASSERT_TRUE(asks());
  terminal_.type("What is a pine?\r");
  ASSERT_TRUE(terminal_.wait_for("needles"));
  terminal_.type("\x03");
  ASSERT_TRUE(asks()) << terminal_.screen();
  EXPECT_THAT(terminal_.screen(), Not(HasSubstr("cut after")));
  // What was said until then is a part of the conversation.
  ASSERT_TRUE(answers("/stats\r", "2 messages, ")) << terminal_.screen();
  // While somebody types it empties the line; with nothing there it says how to end.
  terminal_.type("abc\x03");
  ASSERT_TRUE(terminal_.wait_for("^C") && asks()) << terminal_.screen();
  ASSERT_TRUE(answers("\x03", "Ctrl-D or /quit ends")) << terminal_.screen();
  ASSERT_TRUE(answers("/stats\r", "2 messages, ")) << terminal_.screen();
  const auto result = end();
  EXPECT_EQ(result.exit_code, 0) << result.screen;
}

class PlainTerminal : public ChatTerminal {
 protected:
  PlainTerminal() : ChatTerminal({"--context", "64"}, {"NO_COLOR=1", "TERM=xterm", "LC_ALL=C"}) {}
};

TEST_F(PlainTerminal, ErrorsAreSaidAndTheConversationGoesOn) {
  ASSERT_TRUE(asks());
  ASSERT_TRUE(answers("/lod x\r", "error: there is no command /lod; did you mean /load?"));
  ASSERT_TRUE(answers("/load /nowhere\r", "error: cannot read /nowhere"));
  std::string much = "tree";
  for (int i = 0; i < 100; ++i) {
    much += " x";
  }
  ASSERT_TRUE(answers(much + "\r", "more than the context of 64"));
  ASSERT_TRUE(answers("What is a pine?\r", kPine));
  EXPECT_THAT(terminal_.screen(), Not(HasSubstr("\033[2m")));
  EXPECT_EQ(end().exit_code, 0);
}

}  // namespace
}  // namespace dstorch::test
