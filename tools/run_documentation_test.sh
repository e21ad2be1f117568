#!/usr/bin/env bash
# Proves that run_documentation.sh runs what is marked and catches what is wrong.
set -euo pipefail
run=$(cd "$(dirname "$0")" && pwd)/run_documentation.sh
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failures=0

expect() {  # expect STATUS WORDS, of the document on standard input
  local output status=0
  cat >"$folder/doc.md"
  output=$("$run" "$folder" "$folder/doc.md" 2>&1) || status=$?
  if [ "$status" != "$1" ] || ! grep -qF -- "$2" <<<"$output"; then
    echo "expected status $1 and '$2', got status $status and:"; echo "$output"; failures=$((failures + 1))
  fi
}
printf '#!/bin/sh\necho from the build\n' >"$folder/dstorch"
chmod +x "$folder/dstorch"

expect 0 '1 blocks, 0 wrong' <<<$'```sh test\ndstorch\n```\n```text output\nfrom the build\n```'
expect 0 '0 blocks, 0 wrong' <<<$'```sh\nfalse\n```\n```text\nnothing\n```'
expect 1 'doc.md:2: failed' <<<$'\n```sh test\nfalse\ntrue\n```'
expect 1 'never printed: from elsewhere' <<<$'```sh test\ndstorch\n```\n```text output\nfrom elsewhere\n```'
expect 0 '1 blocks, 0 wrong' <<<$'```cpp tools/run_documentation_test.sh\nfailures=0\n```'
expect 1 'not a part of' <<<$'```cpp tools/run_documentation.sh\nint main() {}\n```'
expect 1 'there is no examples/nowhere.cpp' <<<$'```cpp examples/nowhere.cpp\n```'
expect 0 '2 blocks, 0 wrong' <<<$'```sh test\ntest -f README.md\necho made >made_by_a_page\n```\n```sh test\ngrep made made_by_a_page\n```'
if [ -e "$(dirname "$run")/../made_by_a_page" ]; then
  echo "a page left what it made in the tree"; failures=$((failures + 1))
fi

[ "$failures" = 0 ] && echo "run_documentation.sh catches what is wrong"
exit "$((failures > 0))"
