#!/usr/bin/env bash
# Holds tools/one_line.sh to what it says.
set -euo pipefail
cd "$(dirname "$0")/.."
fail() { echo "FAILED: $1"; exit 1; }

steps='for i in $(seq 40); do echo "[$i/40] Building $i"; done'
out=$(tools/one_line.sh building bash -c "$steps")
[ "$(grep -c '^building: [0-9]*0 %, ' <<<"$out")" = 10 ] || fail "a line for each tenth, not: $out"
[[ $out != *"Building 7"* ]] || fail "what a build prints is nobody's concern while it works"
[[ $out == *"building: done in "* ]] || fail "no end: $out"

# What Ninja does before it knows how much there is to do is no tenth of it.
out=$(tools/one_line.sh building bash -c 'echo "[0/2] Re-checking"; echo "[2/2] Again"; '"$steps")
[ "$(grep -c '^building: [0-9]*0 %, ' <<<"$out")" = 10 ] || fail "the first count is not the build's: $out"

status=0
out=$(tools/one_line.sh building bash -c 'echo "[1/40] Building 1"; echo "x.cpp: error: no" >&2; exit 3') || status=$?
[ $status = 3 ] || fail "exit code $status instead of the build's"
for line in '[1/40] Building 1' 'x.cpp: error: no' 'building: failed after '; do
  [[ $out == *"$line"* ]] || fail "a failure shows all of the output, but not: $line"
done

# On a terminal the line moves, and is gone at the end.
out=$(TERM=xterm script -qec "tools/one_line.sh building bash -c 'echo \"[4/40] a\"; echo \"[8/40] b\"'" /dev/null)
[[ $out == *$'\r\033[Kbuilding: 4 of 40 steps, 10 %, '*$'\r\033[Kbuilding: 8 of 40 steps, 20 %, '*$'\r\033[Kbuilding: done in '* ]] ||
  fail "no line that moves: $(cat -v <<<"$out")"
echo "one_line.sh keeps its word"
