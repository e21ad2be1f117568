#!/usr/bin/env bash
# Proves that format.sh checks with the version it is made for, and does nothing with any other.
set -euo pipefail
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir "$root/tools" "$root/bin"
cp "$(dirname "$0")/format.sh" "$root/tools/"
echo 'int  x ;' >"$root/file.cpp"
failures=0

# A clang-format that says which version it is, and rewrites whatever it is given.
fake() {  # fake NAME VERSION
  printf '#!/bin/sh\nif [ "$1" = --version ]; then echo "clang-format version %s.0.6"; exit; fi\n' "$2" >"$root/bin/$1"
  printf 'for last; do :; done\ncase " $* " in *" --dry-run "*) exit 1 ;; esac\necho formatted >"$last"\n' >>"$root/bin/$1"
  chmod +x "$root/bin/$1"
}
# Only what the script itself needs, so that no clang-format of this machine is found.
for tool in bash env dirname git find sort xargs cat; do ln -s "$(command -v $tool)" "$root/bin/$tool"; done
expect() {  # expect STATUS WORDS FILE ARGUMENTS: how it ends, what it says, what the file holds then
  local output status=0
  output=$(PATH=$root/bin "$root/tools/format.sh" "${@:4}" 2>&1) || status=$?
  if [ "$status" != "$1" ] || ! grep -qF -- "$2" <<<"$output" || [ "$(cat "$root/file.cpp")" != "$3" ]; then
    echo "expected status $1, '$2' and '$3'; got $status, '$output' and '$(cat "$root/file.cpp")'"; failures=$((failures + 1))
  fi
}

expect 0 'not checked: that takes clang-format 14, and this system has none' 'int  x ;' --check
expect 1 'nothing formatted' 'int  x ;'
fake clang-format 19
expect 0 'this system has clang-format version 19.0.6' 'int  x ;' --check
expect 1 'nothing formatted' 'int  x ;'
fake clang-format-14 14
expect 123 '' 'int  x ;' --check
expect 0 '' formatted
rm "$root/bin/clang-format-14"
fake clang-format 14
echo 'int  x ;' >"$root/file.cpp"
expect 0 '' formatted

[ "$failures" = 0 ] && echo "format.sh uses one version alone"
exit "$((failures > 0))"
