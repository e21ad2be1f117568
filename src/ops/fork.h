#pragma once

namespace dstorch::ops {

/// From now on a process forked from this one can compute on as many threads as this one. OpenMP keeps the threads of a
/// parallel region for the next region; a forked child does not have them and would wait for them for ever. So OpenMP
/// is made to end its threads before each fork; it starts new ones when it needs them, which takes a fraction of a
/// millisecond. Thread-safe.
void keep_forks_working();

}  // namespace dstorch::ops
