#include "train/advice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "dstorch/log.h"

namespace dstorch::training {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(Advice, TellsChatsFromText) {
  for (const char* chats :
       {R"({"messages": [{"role": "user", "content": "Hi"}]})",
        "{\"prompt\": \"a\", \"completion\": \"b\"}\n{\"prompt\": \"c\"}\n",
        "{\"conversations\": []}\r\n{\"instruction\": \"x\"}\r\n{\"messages\": 1}\r\nnot looked at"}) {
    EXPECT_TRUE(looks_like_chats(chats)) << chats;
  }
  for (const char* text : {"", "\n", "Once upon a time", "{\"messages\": [}", "[\"messages\"]", "{\"name\": 1}",
                           "{\"messages\": []}\nand then\n", "{\n  \"messages\": []\n}\n"}) {
    EXPECT_FALSE(looks_like_chats(text)) << text;
  }
}

class AdviceLog : public testing::Test {
 protected:
  AdviceLog() {
    path_ = std::filesystem::path(testing::TempDir()) / ("dstorch_advice_" + std::to_string(::getpid()));
    set_log_callback([this](LogLevel level, std::string_view message) {
      if (level == LogLevel::warning) {
        warnings_.emplace_back(message);
      }
    });
  }
  ~AdviceLog() override {
    set_log_callback({});
    std::filesystem::remove(path_);
  }

  std::vector<std::string> warnings_of(TrainOptions options, const std::string& data) {
    std::ofstream(path_) << data;
    options.data = {path_};
    warnings_.clear();
    advise(options);
    return warnings_;
  }

  std::filesystem::path path_;
  std::vector<std::string> warnings_;
};

TEST_F(AdviceLog, WarnsOfAWarmUpThatNeverEnds) {
  TrainOptions options;
  options.steps = 100;
  options.warmup_steps = 99;
  EXPECT_THAT(warnings_of(options, "text\n"), IsEmpty());
  options.warmup_steps = 100;
  EXPECT_THAT(warnings_of(options, "text\n"),
              ElementsAre(HasSubstr("warm-up of 100 steps is as long as the run of 100")));
}

TEST_F(AdviceLog, WarnsOfChats) {
  EXPECT_THAT(warnings_of({}, "{\"messages\": []}\n"),
              ElementsAre(HasSubstr(path_.string() + " looks like JSON lines")));
}

}  // namespace
}  // namespace dstorch::training
