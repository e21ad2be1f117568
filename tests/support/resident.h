#pragma once

#include <cstdint>

namespace dstorch::test {

#ifdef __SANITIZE_ADDRESS__
/// The address sanitizer keeps freed memory for a while, to catch its use: what is resident tells nothing then.
constexpr bool kFreedMemoryIsKept = true;
#else
constexpr bool kFreedMemoryIsKept = false;
#endif

/// Bytes of memory this process has from the system now.
int64_t resident_bytes();

}  // namespace dstorch::test
