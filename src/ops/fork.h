#pragma once

namespace dstorch::ops {

/// From now on a child that this process forks can compute on as many threads as this process. OpenMP keeps the threads
/// of a thread's last parallel region for the next one; in a child they are not there, and waiting for them never ends.
/// So they are let go before a fork and made anew when they are needed, which costs a fraction of a millisecond.
void keep_forks_working();

}  // namespace dstorch::ops
