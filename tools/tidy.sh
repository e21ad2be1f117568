#!/usr/bin/env bash
# Runs clang-tidy (.clang-tidy) over src and apps, with the headers they include; any complaint about our files fails.
# Usage: tools/tidy.sh [JOBS]             every file
#        tools/tidy.sh --quick [JOBS]     the folders without torch, in minutes; a file with torch takes half a minute
set -euo pipefail
cd "$(dirname "$0")/.."
folders=(src apps)
if [ "${1:-}" = --quick ]; then
  folders=(src/core src/text src/io src/ops/cpu)
  shift
fi
jobs=${1:-$(nproc)}
# Without it nothing would be said, and all would pass.
if ! command -v clang-tidy-14 >/dev/null; then
  echo "tidy: nothing checked: that takes clang-tidy 14 and clang 14, which this system does not have (Debian 12 does)" >&2
  exit 1
fi
cmake --preset fuzz >/dev/null
[ -f build/fuzz/compile_commands.json ]

# clang cannot parse some of LibTorch 1.13 in C++20 over libstdc++ 12 (a constexpr std::vector of an incomplete type), but
# goes on after it. What it says about files that are not ours is therefore no verdict, nor is its exit status.
tidy() {  # tidy FILE
  clang-tidy-14 -p build/fuzz --quiet --extra-arg=-ferror-limit=0 "$1" 2>/dev/null |
    awk -v root="$PWD/" '
      /^[^ ].*:[0-9]+:[0-9]+: (warning|error|note): / {
        ours = index($0, root) == 1
        if (ours && !/: note: /) bad = 1
      }
      ours
      END { exit bad }'
}
export -f tidy

find "${folders[@]}" -name '*.cpp' | sort | xargs -r -n 1 -P "$jobs" bash -c 'tidy "$1"' _
