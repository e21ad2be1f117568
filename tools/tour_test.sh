#!/usr/bin/env bash
# Holds what `make run` shows to what it promises. Usage: tools/tour_test.sh BUILD
set -euo pipefail
dstorch=$1/dstorch
cd "$(dirname "$0")/.."
fail() { echo "FAILED: $1"; exit 1; }

out=$(tools/tour.sh "$dstorch")
[ "$(grep -c '^  answer   [a-z0-9]*'$'\t''.' <<<"$out")" = 3 ] || fail "three answers, each a section and a description, not: $out"
for line in "dstorch $("$dstorch" --version) with the model" \
  "  truth    ocaml"$'\t'"OCaml interface to the speex library" "  truth    misc"$'\t'"Podcast aggregrator"; do
  grep -qF "$line" <<<"$out" || fail "not there: $line"
done
grep -Eq '^  speed    [1-9][0-9]* tokens/s generated, [1-9][0-9]* tokens/s of prompt read, first token [0-9.]+ s' <<<"$out" ||
  fail "no speed: $out"
grep -Eq '^  memory   [1-9][0-9]* MB at most, 4\.7 MB of it the weights' <<<"$out" || fail "no memory: $out"

# The commands to try work as they stand, but for the model that only a reader has.
commands=$(sed -n '/^Try next/,$p' <<<"$out" | grep -F "  $dstorch " | sed 's/   .*//')
[ "$(wc -l <<<"$commands")" = 3 ] || fail "three commands to try, not: $commands"
while IFS= read -r command; do
  [[ $command == *DIRECTORY* ]] || eval "$command" >/dev/null || fail "$command"
done <<<"$commands"

# One's own name, also one that does not exist.
out=$(tools/tour.sh "$dstorch" 'no-such-package-anywhere')
grep -qF 'truth    (apt knows no package of that name)' <<<"$out" || fail "it invents a truth: $out"
[ "$(grep -c '^  prompt ' <<<"$out")" = 1 ] || fail "more than was asked for: $out"
echo "tour.sh keeps its word"
