// A child of a process that used the library can use it too.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "driver/test_models.h"
#include "support/paths.h"

namespace dstorch {
namespace {

using test::greedy;
using test::load;

const std::filesystem::path kTextModel = test::source_dir() / "tests/parity/fixtures/text/model";

/// What `work` returns in a child of this process; -1 when the child does not end by itself.
template <typename Work>
int in_a_child(const Work& work) {
  constexpr unsigned kSeconds = 30;
  const auto child = ::fork();
  EXPECT_GE(child, 0);
  if (child == 0) {
    ::alarm(kSeconds);
    int result = 100;
    try {
      result = work();
    } catch (...) {
      result = 101;
    }
    ::_exit(result);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(Fork, AChildMayGoOnWithALoadedModel) {
  const auto model = load({.model_path = kTextModel, .threads = 2});
  const auto expected = model->complete("A mapped file", greedy(12)).tokens;
  EXPECT_EQ(in_a_child([&] { return model->complete("A mapped file", greedy(12)).tokens == expected ? 0 : 1; }), 0);
  // And a child of the child, and this process too.
  EXPECT_EQ(
      in_a_child([&] {
        return in_a_child([&] { return model->complete("A mapped file", greedy(12)).tokens == expected ? 0 : 1; });
      }),
      0);
  EXPECT_EQ(model->complete("A mapped file", greedy(12)).tokens, expected);
}

TEST(Fork, AChildMayLoadAModelOfItsOwn) {
  const auto expected = load({.model_path = kTextModel, .threads = 2})->complete("A mapped file", greedy(12)).tokens;
  EXPECT_EQ(in_a_child([&] {
              const auto model = load({.model_path = kTextModel, .threads = 2});
              return model->complete("A mapped file", greedy(12)).tokens == expected ? 0 : 1;
            }),
            0);
}

// LibTorch's own loops run on threads as well.
TEST(Fork, AChildMayRunThePlainArchitecture) {
  const auto model = load({.architecture = Architecture{1, 512, 10, 4}, .threads = 2, .seed = 1});
  const auto expected = model->generate("hello");
  EXPECT_EQ(in_a_child([&] { return model->generate("hello") == expected ? 0 : 1; }), 0);
}

}  // namespace
}  // namespace dstorch
