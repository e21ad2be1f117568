#!/usr/bin/env bash
# Runs the tests of a build with -DDSTORCH_COVERAGE=ON and prints the line coverage of src; fails under 90 %.
# Usage: tools/coverage.sh BUILD [JOBS]
set -euo pipefail
cd "$(dirname "$0")/.."
build=$1 jobs=${2:-1}
find "$build" -name '*.gcda' -delete
ctest --preset coverage --parallel "$jobs" --output-log "$build/coverage-tests.log" >/dev/null ||
  { tail -n 60 "$build/coverage-tests.log"; exit 1; }
gcovr --root . --filter src/ --exclude-unreachable-branches --gcov-ignore-parse-errors -j "$jobs" \
  --print-summary --fail-under-line 90 "$build"
