#!/usr/bin/env bash
# Runs `make test` on a copy of this tree in a system of its own of Debian's SUITE (tools/debian_system.sh): fresh with
# --fresh or the first time, else as the last run left it, with its packages, build and compiler cache.
# Usage: tools/test_in_debian.sh [--fresh] SUITE [COMMAND...]     another COMMAND instead of `make test`
set -euo pipefail
cd "$(dirname "$0")/.."
fresh=false
if [ "${1:-}" = --fresh ]; then
  fresh=true
  shift
fi
suite=${1:?usage: $0 [--fresh] SUITE [COMMAND...]}
shift
[ $# -gt 0 ] || set -- make test
name=$suite-test
root=${DSTORCH_SYSTEMS:-/var/tmp/dstorch-systems}/$name
if $fresh; then rm -rf --one-file-system "$root"; fi

# Made, and given what a makefile needs before it can install the rest.
tools/debian_system.sh "$suite" "$name" sh -c 'command -v make >/dev/null || {
  export DEBIAN_FRONTEND=noninteractive
  apt-get -qq update && apt-get -qq install -y --no-install-recommends make >/dev/null; }'

# What git knows or could know; the build and the cache beside it stay.
mkdir -p "$root/dstorch"
find "$root/dstorch" -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} +
git ls-files -z --cached --others --exclude-standard |
  while IFS= read -r -d '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done |
  tar --null --no-recursion -T - -cf - | tar -C "$root/dstorch" -xf -
exec tools/debian_system.sh "$suite" "$name" sh -c 'cd /dstorch && exec "$@"' sh "$@"
