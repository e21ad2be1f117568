#!/usr/bin/env bash
# Proves that setup.sh knows the packages of each system, and that a build asks for nothing that only tests need.
set -euo pipefail
setup=$(cd "$(dirname "$0")" && pwd)/setup.sh
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failures=0

complain() { echo "setup.sh: $*"; failures=$((failures + 1)); }
has() { grep -qx "$2" <<<"$("$setup" --list "$1" $3)" || complain "$2 is not among $3 of $1"; }
lacks() { ! grep -qE "$2" <<<"$("$setup" --list "$1" $3)" || complain "$2 is among $3 of $1"; }

for system in debian-12 debian-13 ubuntu-24.04; do
  has $system libtorch-dev build
  has $system libgtest-dev test
  has $system nodejs node
  lacks $system 'clang|node|npm|gtest|gmock|benchmark|gcovr|mesa|debootstrap|^git$' build
done
has debian-12 clang-format-14 format
has ubuntu-24.04 clang-format-14 format
lacks debian-13 '^clang' 'format clang'  # its archive has no version 14

# What it would install, on a system where nothing is: dpkg-query and apt-get as they answer there.
mkdir "$folder/bin"
printf '#!/bin/sh\nexit 1\n' >"$folder/bin/dpkg-query"
printf '#!/bin/sh\necho "$@" >>"%s"\n' "$folder/apt" >"$folder/bin/apt-get"
printf '#!/bin/sh\nexec "$@"\n' >"$folder/bin/sudo"
chmod +x "$folder/bin"/*
installs() {  # installs OS-RELEASE GROUP...: the packages
  printf '%b' "$1" >"$folder/os-release"
  shift
  : >"$folder/apt"
  OS_RELEASE=$folder/os-release PATH=$folder/bin:$PATH "$setup" "$@" 2>"$folder/errors" || complain "failed: $(cat "$folder/errors")"
  grep -o ' install .*' "$folder/apt" || true
}
grep -q 'clang-format-14' <<<"$(installs 'ID=debian\nVERSION_ID="12"\n' format)" || complain "no clang-format-14 on Debian 12"
grep -q 'clang' <<<"$(installs 'ID=debian\nVERSION_ID="13"\n' format)" && complain "clang-format-14 asked of Debian 13"
grep -q 'libtorch-dev' <<<"$(installs 'ID=debian\n' build)" || complain "no names for an unknown system"
installs 'ID=debian\n' build >/dev/null
grep -q "does not know this system (debian-)" "$folder/errors" || complain "does not say that it guesses"

status=0
"$setup" nonsense 2>"$folder/errors" || status=$?
[ $status = 2 ] && grep -q "no group 'nonsense'" "$folder/errors" || complain "takes a group that there is not"

[ "$failures" = 0 ] && echo "setup.sh knows what each system needs"
exit "$((failures > 0))"
