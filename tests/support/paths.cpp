#include "support/paths.h"

namespace dstorch::test {

// The only file that knows where the trees lie, so that every other object is the same in any clone and ccache has it.
std::filesystem::path source_dir() { return DSTORCH_SOURCE_DIR; }

std::filesystem::path build_dir() { return DSTORCH_BINARY_DIR; }

}  // namespace dstorch::test
