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

TEST(LMError, WithoutCause) {
  const LMError error(ErrorKind::format, "bad header");
  EXPECT_STREQ(error.what(), "bad header");
  EXPECT_FALSE(error.cause());
  EXPECT_EQ(to_string(error.kind()), "format");
}

}  // namespace
}  // namespace dstorch
