#!/usr/bin/env bash
# Runs clang-tidy (.clang-tidy) over src and apps, with the headers they include; any complaint about our files fails.
# Usage: tools/tidy.sh [JOBS]             every file
#        tools/tidy.sh --changed [JOBS]   the folders without torch, which take seconds, and what differs from the
#                                         commit before
set -euo pipefail
cd "$(dirname "$0")/.."
changed=
if [ "${1:-}" = --changed ]; then changed=1; shift; fi
jobs=${1:-$(nproc)}
cmake --preset fuzz >/dev/null

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

if [ -n "$changed" ]; then
  for folder in core text io ops/cpu; do find src/$folder -maxdepth 1 -name '*.cpp'; done
  git diff --name-only --diff-filter=d HEAD~1 -- 'src/*.cpp' 'apps/*.cpp' 2>/dev/null || true
else
  find src apps -name '*.cpp'
fi | sort -u | xargs -r -n 1 -P "$jobs" bash -c 'tidy "$1"' _
