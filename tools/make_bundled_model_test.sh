#!/usr/bin/env bash
# Proves that make_bundled_model.sh makes a model that generates, in two steps of a short list, and goes on where it was.
# Usage: tools/make_bundled_model_test.sh BUILD_DIRECTORY
set -euo pipefail
export DSTORCH=$1/dstorch
root=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export MODEL=$folder/model AVAILABLE=$folder/available THREADS=1

# Twice the 300 lines the tests have, under names that do not fall into the held-out tenth all at once.
for prefix in lib python3-; do
  awk -F'\t' -v prefix=$prefix '
    { print "Package: " prefix $1 "\nSection: " $2 "\nDescription: " $3 "\n" }' "$root/tests/data/held-out-packages.tsv"
done >"$AVAILABLE"

fail() { echo "make_bundled_model.sh: $*" >&2; exit 1; }
make_model() {  # make_model STEPS
  STEPS=$1 "$root/tools/make_bundled_model.sh" "$folder/made" >"$folder/output" 2>&1 || { cat "$folder/output"; fail "failed"; }
}
make_model 1
make_model 2
grep -q 'going on after step 1' "$folder/output" || fail "began again instead of going on"
grep -q '"bits_per_byte":' "$folder/output" || fail "said nothing about the held-out text"
[ "$(sort "$folder/made/data/train.tsv" "$folder/made/data/held-out.tsv" | wc -l)" = 600 ] || fail "lost lines"

# The line break ends an answer.
"$DSTORCH" inspect "$MODEL" | grep -q 'mistral' || fail "made no model of Llama's kind with a window"
newline=$(printf '\n' | "$DSTORCH" tokenize - -m "$MODEL" --json)
grep -qF "\"eos_token_id\":[${newline//[^0-9]/},0]" <(tr -d ' \n' <"$MODEL/config.json") || fail "the line break ends nothing"
"$DSTORCH" generate python3-yaml -m "$MODEL" --max-tokens 4 --ignore-eos >"$folder/text" || fail "generates nothing"
[ -s "$folder/text" ] || fail "generated nothing"

status=0
DSTORCH=$folder/nowhere "$root/tools/make_bundled_model.sh" "$folder/made" 2>"$folder/output" || status=$?
[ "$status" = 1 ] && grep -q "run 'make build' first" "$folder/output" || fail "does not say what it needs"
echo "make_bundled_model.sh makes a model"
