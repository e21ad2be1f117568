#!/usr/bin/env bash
# What `make run` shows: the bundled model answers, with the truth beside it, what that took, and where to go from here.
# Usage: tools/tour.sh DSTORCH [PROMPT]      PROMPT: a package's name, instead of three that the model has never seen
set -euo pipefail
dstorch=$1
root=$(cd "$(dirname "$0")/.." && pwd)
held_out=$root/tests/data/held-out-packages.tsv
bold='' plain=''
if [ -t 1 ] && [ "${TERM:-dumb}" != dumb ] && [ -z "${NO_COLOR:-}" ]; then
  bold=$(printf '\033[1m') plain=$(printf '\033[0m')
fi

# SECTION TAB DESCRIPTION of a package: from the lines kept from the model, else from apt.
truth() {
  awk -F '\t' -v name="$1" '$1 == name { print $2 "\t" $3; found = 1 } END { exit !found }' "$held_out" ||
    { apt-cache show "$1" 2>/dev/null || true; } | awk '
      /^Section: / && !s { s = substr($0, 10) }  /^Description(-en)?: / && !d { d = $0; sub(/^[^:]*: /, "", d) }
      s && d && !done { print s "\t" d; done = 1 }'
}

ask() {  # ask NAME
  local real
  printf '\n  prompt   %s%s<tab>%s\n  answer   ' "$bold" "$1" "$plain"
  # Straight from the model, as it makes it: the section, a tab, what the package is.
  "$dstorch" generate "$1"$'\t' --temperature 0 --max-tokens 64 2>/dev/null
  real=$(truth "$1")
  printf '  truth    %s\n' "${real:-(apt knows no package of that name)}"
}

number() { sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p" <<<"$bench"; }

cat <<TEXT
${bold}dstorch $("$dstorch" --version)${plain} with the model that comes with it: 2.4 million weights, 4.7 MB, trained from nothing by
dstorch on nine tenths of Debian's package list. Given a name and a tab, it goes on with the section and what the
package is: it reads off the name what that gives away, and makes up the rest. $([ -n "${2:-}" ] || echo "It has never seen the names below.")
TEXT
if [ -n "${2:-}" ]; then
  ask "${2%$'\t'}"
else
  for name in libspeex-ocaml elpa-taxy-magit-section podget; do ask "$name"; done
fi

bench=$("$dstorch" bench --prompt-tokens 256 --max-tokens 128 --repetitions 1 --json 2>/dev/null)
printf '\n  speed    %.0f tokens/s generated, %.0f tokens/s of prompt read, first token %.2f s after the start\n' \
  "$(number generation_tokens_per_second)" "$(number prompt_tokens_per_second)" "$(number first_token_seconds)"
printf '  memory   %.0f MB at most, %.1f MB of it the weights; the rest is mostly LibTorch\n' \
  "$(awk "BEGIN { print $(number peak_bytes) / 1e6 }")" "$(awk "BEGIN { print $(number weight_bytes) / 1e6 }")"

cat <<TEXT

${bold}Try next${plain}
  $dstorch generate "\$(printf 'libfoo-dev\t')"         another name, real or not
  $dstorch generate "Once upon a time" -m DIRECTORY   a model directory from Hugging Face
  $dstorch --help                                     everything else: inspect, plan, bench, train, ...
TEXT
