#!/usr/bin/env bash
# Installs the Debian packages of the named groups (tools/packages.txt) that are missing. Does nothing, and needs no
# rights and no network, when all are there.
# Usage: tools/setup.sh GROUP...
set -euo pipefail
list=$(dirname "$0")/packages.txt

if ! command -v dpkg-query >/dev/null; then
  echo "setup: not a Debian system: install the counterparts of the packages in tools/packages.txt yourself" >&2
  exit 0
fi

missing=()
for group in "$@"; do
  packages=$(awk -v group="$group" '$1 == group { print $2 }' "$list")
  [ -n "$packages" ] || { echo "setup: $list has no group '$group'" >&2; exit 2; }
  for package in $packages; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing+=("$package")
  done
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || { echo "setup: as root, run: apt-get install ${missing[*]}" >&2; exit 1; }
  as_root=(sudo)
fi
echo "setup: installing ${missing[*]}" >&2
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3)
"${apt[@]}" update </dev/null
"${apt[@]}" install -y --no-install-recommends "${missing[@]}" </dev/null >/dev/null
