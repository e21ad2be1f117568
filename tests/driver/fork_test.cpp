// A child of a process that used the library can use it too, once it has loaded its own model.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "driver/test_models.h"
#include "support/paths.h"

namespace dstorch {
namespace {

using test::error_of;
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

TEST(Fork, InAChildAModelIsToBeLoadedAnew) {
  const auto model = load({.model_path = kTextModel, .threads = 2});
  const auto expected = model->complete("A mapped file", greedy(12)).tokens;
  const auto use = [&] {
    if (model->initialized() || error_of([&] { model->generate("x"); }).kind() != ErrorKind::not_initialized) {
      return 1;
    }
    model->init();
    return model->complete("A mapped file", greedy(12)).tokens == expected ? 0 : 2;
  };
  EXPECT_EQ(in_a_child(use), 0);
  EXPECT_EQ(in_a_child([&] { return use() + in_a_child(use); }), 0) << "a child of the child";
  EXPECT_EQ(model->complete("A mapped file", greedy(12)).tokens, expected) << "this process knows nothing of it";
}

TEST(Fork, AChildMayLetGoOfAModel) {
  auto model = load({.model_path = kTextModel, .threads = 2});
  model->generate("A mapped file", greedy(2));
  EXPECT_EQ(in_a_child([&] {
              model->cleanup();
              return 0;
            }),
            0);
  EXPECT_EQ(in_a_child([&] {
              model.reset();
              return 0;
            }),
            0);
  EXPECT_EQ(in_a_child([&] {
              model->init();
              model.reset();
              return 0;
            }),
            0);
  EXPECT_FALSE(model->generate("A mapped file", greedy(2)).empty());
}

TEST(Fork, AChildMayLoadAModelOfItsOwn) {
  const auto expected = load({.model_path = kTextModel, .threads = 2})->complete("A mapped file", greedy(12)).tokens;
  EXPECT_EQ(in_a_child([&] {
              const auto model = load({.model_path = kTextModel, .threads = 2});
              return model->complete("A mapped file", greedy(12)).tokens == expected ? 0 : 1;
            }),
            0);
}

// What runs on the caller's thread, with OpenMP's threads beside it.
TEST(Fork, AChildMayComputeOnThreads) {
  load({.architecture = Architecture{1, 8, 10, 2}, .threads = 2});  // the library is there
  const auto product = [] { return at::ones({1024, 1024}).matmul(at::ones({1024, 1024})).sum().item<double>(); };
  at::set_num_threads(2);
  const auto ones = product();
  EXPECT_EQ(in_a_child([&] { return product() == ones ? 0 : 1; }), 0);
}

}  // namespace
}  // namespace dstorch
