#pragma once

#include <filesystem>

namespace dstorch::test {

/// The root of the source tree, for fixtures: source_dir() / "tests/io/data/x.pt".
std::filesystem::path source_dir();

/// The root of the build tree.
std::filesystem::path build_dir();

}  // namespace dstorch::test
