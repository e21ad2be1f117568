#include "dstorch/error.h"

#include <gtest/gtest.h>

namespace dstorch {
namespace {

TEST(LMError, CarriesKindMessageAndCause) {
  const auto cause = std::make_exception_ptr(std::runtime_error("disk on fire"));
  const LMError error(ErrorKind::io, "cannot read model.pt", cause);
  EXPECT_EQ(error.kind(), ErrorKind::io);
  EXPECT_STREQ(error.what(), "cannot read model.pt: disk on fire");
  EXPECT_EQ(describe(error.cause()), "disk on fire");
}

TEST(LMError, SaysTheOutermostAndTheRootOnceAndKeepsWhatLiesBetween) {
  const auto root = std::make_exception_ptr(std::runtime_error("disk on fire"));
  const auto middle = std::make_exception_ptr(LMError(ErrorKind::io, "cannot read model.pt", root));
  const auto outer = std::make_exception_ptr(LMError(ErrorKind::io, "cannot load", middle));
  const LMError error(ErrorKind::io, "cannot start", outer);
  EXPECT_STREQ(error.what(), "cannot start: disk on fire");
  EXPECT_EQ(describe(error.cause()), "cannot load: disk on fire");
  try {
    std::rethrow_exception(error.cause());
  } catch (const LMError& e) {
    EXPECT_EQ(describe(e.cause()), "cannot read model.pt: disk on fire");
  }
}

TEST(LMError, ARootThatIsNoStandardExceptionIsNamedSo) {
  const auto middle = std::make_exception_ptr(LMError(ErrorKind::io, "cannot read", std::make_exception_ptr(7)));
  EXPECT_STREQ(LMError(ErrorKind::io, "cannot start", middle).what(), "cannot start: an exception of unknown type");
}

TEST(LMError, WithoutCause) {
  const LMError error(ErrorKind::format, "bad header");
  EXPECT_STREQ(error.what(), "bad header");
  EXPECT_FALSE(error.cause());
  EXPECT_EQ(to_string(error.kind()), "format");
}

}  // namespace
}  // namespace dstorch
