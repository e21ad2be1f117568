# Everything dstorch links, found once. docs/dependencies.md says why each is here.
find_package(Threads REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS CXX)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)
pkg_check_modules(HWY REQUIRED IMPORTED_TARGET libhwy)

# Debian's, or another through CMAKE_PREFIX_PATH. Its config also looks for a CUDA compiler when it was built with CUDA,
# and for GPUs to compile for unless it is told: nothing here is compiled for one.
if(NOT DEFINED TORCH_CUDA_ARCH_LIST AND NOT DEFINED ENV{TORCH_CUDA_ARCH_LIST})
  set(TORCH_CUDA_ARCH_LIST 8.0)
endif()
find_package(Torch REQUIRED)

# Debian's LibTorch computes with whatever libblas.so.3 is; the reference BLAS is sixty times slower than OpenBLAS.
set(dstorch_blas /usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/libblas.so.3)
if(TORCH_INSTALL_PREFIX STREQUAL "/usr" AND EXISTS ${dstorch_blas})
  file(REAL_PATH ${dstorch_blas} dstorch_blas)
  if(NOT dstorch_blas MATCHES "openblas|mkl|blis|atlas")
    message(WARNING "LibTorch will run on the reference BLAS (${dstorch_blas}), about sixty times slower than need be: "
                    "install libopenblas0-openmp, or choose it with "
                    "update-alternatives --config libblas.so.3-${CMAKE_LIBRARY_ARCHITECTURE}")
  endif()
endif()
