#!/usr/bin/env bash
# Runs clang-tidy (.clang-tidy) over src and apps, with the headers they include; any warning fails.
# Usage: tools/tidy.sh [JOBS]             every file
#        tools/tidy.sh --changed [JOBS]   the folders without torch, which take seconds, and what differs from the
#                                         commit before
set -euo pipefail
cd "$(dirname "$0")/.."
changed=
if [ "${1:-}" = --changed ]; then changed=1; shift; fi
jobs=${1:-$(nproc)}
build=build/asan

# clang's own build: the same compiler wrote its precompiled header, which saves the parsing of LibTorch.
cmake --preset asan >/dev/null
if grep -q dstorch_torch_pch "$build/build.ninja"; then
  cmake --build --preset asan --parallel "$jobs" --target dstorch_torch_pch >/dev/null
fi

if [ -n "$changed" ]; then
  { ls src/core/*.cpp src/text/*.cpp src/io/*.cpp src/ops/cpu/*.cpp 2>/dev/null || true
    git diff --name-only --diff-filter=d HEAD~1 -- 'src/*.cpp' 'apps/*.cpp' 2>/dev/null || true; }
else
  find src apps -name '*.cpp'
fi | sort -u | xargs -r -n 1 -P "$jobs" clang-tidy-14 -p "$build" --quiet
