#include <ATen/Context.h>
#include <dlfcn.h>
#include <gtest/gtest.h>

namespace dstorch {
namespace {

// Debian's reference BLAS computes the same numbers about sixty times slower, so nothing else would notice.
TEST(Blas, IsAFastOne) {
  const bool openblas = dlsym(RTLD_DEFAULT, "openblas_get_config") != nullptr;
  EXPECT_TRUE(openblas || at::hasMKL())
      << "LibTorch runs on the reference BLAS: install libopenblas0-openmp, or choose "
         "it with update-alternatives --config libblas.so.3-$(gcc -print-multiarch)";
}

}  // namespace
}  // namespace dstorch
