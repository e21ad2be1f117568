#!/usr/bin/env bash
# Installs the packages of the named groups (tools/packages.txt) that are missing. Does nothing, and needs no rights and
# no network, when all are there.
# Usage: tools/setup.sh [--list SYSTEM] GROUP...
#   --list SYSTEM   only print the packages, one a line, for debian-12, debian-13 or ubuntu-24.04
set -euo pipefail
list=$(dirname "$0")/packages.txt
systems="debian-12 debian-13 ubuntu-24.04"

# ID-VERSION_ID of this system, or the newest Debian for one that packages.txt does not name.
this_system() {
  local system
  system=$(. "${OS_RELEASE:-/etc/os-release}" 2>/dev/null && echo "${ID:-}-${VERSION_ID:-}") || system=
  case " $systems " in
    *" $system "*) echo "$system" ;;
    *)
      echo "setup: packages.txt does not know this system (${system:-no /etc/os-release}): trying Debian 13's names" >&2
      echo debian-13
      ;;
  esac
}

packages_of() {  # packages_of SYSTEM GROUP
  awk -v name="$1" -v group="$2" '
    $1 == group {
      known = 1
      for (i = 3; i <= NF && $i != name; ++i);
      if (NF == 2 || i <= NF) print $2
    }
    END { exit !known }' "$list" || { echo "setup: $list has no group '$2'" >&2; exit 2; }
}

if [ "${1:-}" = --list ]; then
  system=$2
  shift 2
  for group in "$@"; do packages_of "$system" "$group"; done
  exit 0
fi

if ! command -v dpkg-query >/dev/null; then
  echo "setup: not a Debian system: install the counterparts of the packages in tools/packages.txt yourself" >&2
  exit 0
fi

system=$(this_system)
missing=()
for group in "$@"; do
  packages=$(packages_of "$system" "$group")
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
