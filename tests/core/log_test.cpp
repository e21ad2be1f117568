#include "dstorch/log.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "dstorch/error.h"

namespace dstorch {
namespace {

class Log : public testing::Test {
 protected:
  void SetUp() override { ::alarm(20); }  // a deadlock ends this program
  void TearDown() override {
    set_log_callback({});
    ::alarm(0);
  }

  static LMError error_of_log(std::string_view message) {
    try {
      log(LogLevel::info, message);
    } catch (const LMError& e) {
      return e;
    }
    ADD_FAILURE() << "no error";
    return {ErrorKind::internal, "none"};
  }
};

TEST_F(Log, GoesToTheCallback) {
  std::vector<std::string> got;
  set_log_callback([&](LogLevel level, std::string_view message) {
    got.push_back((level == LogLevel::warning ? "warning " : "other ") + std::string(message));
  });
  log(LogLevel::warning, "one");
  log(LogLevel::debug, "two");
  set_log_callback({});
  log(LogLevel::info, "to nobody");
  EXPECT_EQ(got, (std::vector<std::string>{"warning one", "other two"}));
}

TEST_F(Log, InsideTheCallbackIsAnError) {
  int calls = 0;
  set_log_callback([&](LogLevel, std::string_view) {
    ++calls;
    log(LogLevel::info, "inner");
  });
  const auto error = error_of_log("outer");
  EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
  EXPECT_NE(std::string(error.what()).find("log() must not be called from the log callback; the message was: inner"),
            std::string::npos)
      << error.what();
  // It is over then: the next message arrives.
  error_of_log("once more");
  EXPECT_EQ(calls, 2);
}

TEST_F(Log, WhatACallbackThrowsComesAsAnLMError) {
  set_log_callback([](LogLevel, std::string_view) { throw std::runtime_error("full disk"); });
  const auto error = error_of_log("x");
  EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
  EXPECT_STREQ(error.what(), "the log callback must not throw: full disk");
  EXPECT_TRUE(error.cause());
  set_log_callback([](LogLevel, std::string_view) { throw 5; });
  EXPECT_EQ(error_of_log("x").kind(), ErrorKind::invalid_argument);
  set_log_callback([](LogLevel, std::string_view) { throw LMError(ErrorKind::cancelled, "enough"); });
  EXPECT_EQ(error_of_log("x").kind(), ErrorKind::cancelled);
  EXPECT_STREQ(error_of_log("x").what(), "the log callback must not throw: enough");
}

TEST_F(Log, ACallbackMayReplaceItself) {
  std::vector<std::string> got;
  set_log_callback([&, keeps = std::make_shared<std::string>("first ")](LogLevel, std::string_view message) {
    set_log_callback([&](LogLevel, std::string_view later) { got.push_back("second " + std::string(later)); });
    got.push_back(*keeps + std::string(message));  // it is still there
  });
  log(LogLevel::info, "a");
  log(LogLevel::info, "b");
  EXPECT_EQ(got, (std::vector<std::string>{"first a", "second b"}));
}

// What a callback holds may log as it goes, whoever lets go of it.
TEST_F(Log, LettingGoOfACallbackHoldsNoLock) {
  struct Farewell {
    ~Farewell() { log(LogLevel::info, "farewell"); }
  };
  std::vector<std::string> got;
  const auto collect = [&](LogLevel, std::string_view message) { got.emplace_back(message); };
  set_log_callback([farewell = std::make_shared<Farewell>()](LogLevel, std::string_view) {});
  set_log_callback(collect);
  set_log_callback(
      [&, farewell = std::make_shared<Farewell>()](LogLevel, std::string_view) { set_log_callback(collect); });
  log(LogLevel::info, "replaces itself");
  EXPECT_EQ(got, (std::vector<std::string>{"farewell", "farewell"}));
}

// Whoever has set another callback may take away what the old one used.
TEST_F(Log, SettingWaitsForTheCallThatRuns) {
  std::atomic<bool> running{false};
  std::atomic<bool> done{false};
  set_log_callback([&](LogLevel, std::string_view) {
    running = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    done = true;
  });
  std::thread other([] { log(LogLevel::info, "x"); });
  while (!running) {
    std::this_thread::yield();
  }
  set_log_callback({});
  EXPECT_TRUE(done);
  other.join();
}

}  // namespace
}  // namespace dstorch
