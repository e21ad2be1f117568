#!/usr/bin/env bash
# Runs a build and shows how far it has come in one line that moves; not on a terminal, in a line for each tenth. What it
# printed is shown when it fails, all of it.
# Usage: tools/one_line.sh LABEL COMMAND...
set -uo pipefail
label=$1
shift
log=$(mktemp)
trap 'rm -f "$log"' EXIT
moves=false
[ -t 1 ] && [ "${TERM:-dumb}" != dumb ] && moves=true

show() {  # show DONE TOTAL
  [ "$2" -ge 10 ] || return 0  # what Ninja does before it knows the work: another count
  local percent=$((100 * $1 / $2))
  if $moves; then
    printf '\r\033[K%s: %d of %d steps, %d %%, %d s' "$label" "$1" "$2" $percent $SECONDS
  elif [ $((percent / 10)) -gt $tenths ]; then
    tenths=$((percent / 10))
    printf '%s: %d %%, %d s\n' "$label" $((10 * tenths)) $SECONDS
  fi
}

tenths=0
$moves && printf '%s: starting' "$label"
"$@" 2>&1 </dev/null | tee "$log" | while IFS= read -r line; do
  # As Ninja counts its steps: [12/159] Building ...
  if [[ $line =~ ^\[([0-9]+)/([0-9]+)\] ]]; then
    show "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
  fi
done
status=${PIPESTATUS[0]}
$moves && printf '\r\033[K'
if [ "$status" != 0 ]; then
  cat "$log"
  echo "$label: failed after $SECONDS s (exit code $status)"
  exit "$status"
fi
echo "$label: done in $SECONDS s"
