#!/usr/bin/env bash
# Runs every fuzz target of BUILD for SECONDS, JOBS at a time. What it finds stays in BUILD/found/NAME: the grown corpus,
# and inputs that fail as crash-*, oom-* or timeout-*.
# FUZZ_SEED=N begins the same way every time; unset or 0 begins anew.
# Usage: tools/fuzz.sh BUILD SECONDS [JOBS]
set -euo pipefail
cd "$(dirname "$0")/.."
build=$1 seconds=$2 jobs=${3:-1}

fuzz_one() {  # fuzz_one PROGRAM
  local program=$1 name dir seeds
  name=$(basename "$program")
  name=${name#fuzz_}
  dir=$build/found/$name
  seeds=tests/fuzz/corpus/$name
  mkdir -p "$dir/corpus"
  if "$program" -max_total_time="$seconds" -print_funcs=0 -seed="${FUZZ_SEED:-0}" -timeout=10 -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1 \
    -artifact_prefix="$dir/" "$dir/corpus" $([ ! -d "$seeds" ] || echo "$seeds") >"$dir/log" 2>&1; then
    echo "fuzz $name: $(awk '/number_of_executed_units/ { print $2 }' "$dir/log") inputs, nothing found"
  else
    tail -n 40 "$dir/log"
    echo "fuzz $name: FAILED; the input is in $dir, run it again with: $program $dir/<file>"
    return 1
  fi
}
export -f fuzz_one
export build seconds

programs=("$build"/tests/fuzz/fuzz_*)
[ -x "${programs[0]}" ] || { echo "fuzz: no targets in $build/tests/fuzz" >&2; exit 1; }
ASAN_OPTIONS=allocator_may_return_null=1 printf '%s\0' "${programs[@]}" | xargs -0 -n 1 -P "$jobs" bash -c 'fuzz_one "$1"' _
