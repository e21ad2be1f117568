#!/usr/bin/env bash
# Holds the documentation to what it says: every fenced block that is marked is run or compared.
#   ```sh test          is run with bash -eu, with the built command on the PATH; must succeed. In a directory that has all of the
#                       tree's root and goes with the page: what a page makes is there for its next block, and no longer
#   ```text output      right after one: each of its lines must be in what that block printed, in this order
#   ```js test          is run by the Node package's own tests, and so is what it prints compared; here both are passed by
#   ```cpp FILE         must be, line for line, a part of FILE (an example, which the tests build and run)
# Usage: tools/run_documentation.sh BUILD FILE.md...
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "$1" && pwd)
shift
cd "$root"
export PATH=$build:$PATH
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
runs=0
bad=0

complain() { echo "$1"; bad=$((bad + 1)); }

for document in "$@"; do
  rm -rf "$scratch"/block.* "$scratch/tree"
  mkdir "$scratch/tree"
  ln -s "$root"/* "$scratch/tree"
  before=
  # One file per marked block; its first line is "LINE KIND".
  awk -v prefix="$scratch/block." '
    !inside && /^```/ {
      kind = substr($0, 4); inside = 1; out = ""
      if (kind == "sh test" || kind == "js test" || kind == "text output" || kind ~ /^cpp [^ ]+$/) {
        out = sprintf("%s%04d", prefix, ++n); print NR, kind > out
      }
      next
    }
    inside && /^```[ \t]*$/ { inside = 0; if (out != "") close(out); next }
    inside && out != "" { print > out }' "$document"

  for block in "$scratch"/block.*; do
    [ -f "$block" ] || continue
    read -r line kind <"$block"
    tail -n +2 "$block" >"$scratch/body"
    if [ "$kind" = 'text output' ] && [ "$before" = 'js test' ]; then continue; fi
    before=$kind
    case $kind in
      'sh test')
        runs=$((runs + 1))
        if ! (cd "$scratch/tree" && bash -eu -o pipefail "$scratch/body") >"$scratch/output" 2>"$scratch/errors" </dev/null; then
          complain "$document:$line: failed:"
          cat "$scratch/body" "$scratch/output" "$scratch/errors"
        fi
        ;;
      'text output')
        if ! awk 'NR == FNR { want[++n] = $0; next } i < n && $0 == want[i + 1] { i++ }
                  END { if (i < n) { print "never printed: " want[i + 1]; exit 1 } }' "$scratch/body" "$scratch/output"; then
          complain "$document:$line: the command above it printed:"
          cat "$scratch/output"
        fi
        ;;
      cpp\ *)
        runs=$((runs + 1))
        file=${kind#cpp }
        if [ ! -f "$file" ]; then
          complain "$document:$line: there is no $file"
        elif [[ "$(cat "$file")" != *"$(cat "$scratch/body")"* ]]; then
          complain "$document:$line: not a part of $file:"
          cat "$scratch/body"
        fi
        ;;
    esac
  done
done

echo "$runs blocks, $bad wrong"
[ "$bad" = 0 ]
