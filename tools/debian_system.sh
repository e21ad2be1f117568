#!/usr/bin/env bash
# Runs COMMAND as root in the system NAME: a fresh one of Debian's SUITE, made with debootstrap the first time and kept.
# It shares this machine's processors, clock and network, nothing of its files. Where packages come from is what this
# machine's apt is configured for, its proxies included.
# Usage: tools/debian_system.sh SUITE NAME COMMAND...
# Needs: root, debootstrap. DSTORCH_SYSTEMS: the folder of the systems (/var/tmp/dstorch-systems), some gigabytes each.
set -euo pipefail
if [ $# -lt 3 ]; then
  echo "usage: $0 SUITE NAME COMMAND..." >&2
  exit 2
fi
suite=$1 name=$2
shift 2
systems=${DSTORCH_SYSTEMS:-/var/tmp/dstorch-systems}
root=$systems/$name

fail() { echo "debian_system: $*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || fail "a system of its own takes root: run this with sudo"
command -v debootstrap >/dev/null || fail "debootstrap is missing: apt-get install debootstrap"

# Debian's own archive as this machine's apt knows it: that of its main packages, not of updates or other vendors.
mirror() {
  local uri
  uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' 'Component: main' |
    sort -u | head -n 1)
  [ -n "$uri" ] || fail "apt knows no archive of Debian: give one in MIRROR"
  echo "$uri"
}

unpack() {  # unpack FOLDER: a bare system; the first of a suite is kept packed for the next
  local base=$systems/$suite.base.tar
  if [ ! -f "$base" ]; then
    local made
    made=$(mktemp -d "$systems/.made.XXXXXX")
    echo "debian_system: making a system of Debian's $suite" >&2
    local archive=${MIRROR:-$(mirror)}
    debootstrap --variant=minbase --include=ca-certificates "$suite" "$made" "$archive" >"$systems/$suite.log" 2>&1 ||
      { tail -n 20 "$systems/$suite.log" >&2; rm -rf "$made"; fail "debootstrap failed"; }
    echo "deb $archive $suite main" >"$made/etc/apt/sources.list"
    apt-config dump | grep -E '^Acquire::https?::Proxy' >"$made/etc/apt/apt.conf.d/30proxy" || true
    rm -rf "$made"/var/cache/apt/archives/*.deb
    chmod 755 "$made"
    tar --numeric-owner -C "$made" -cf "$base.part" .
    rm -rf "$made"
    mv "$base.part" "$base"
  fi
  mkdir -p "$1.part"
  tar --numeric-owner -C "$1.part" -xf "$base"
  mv "$1.part" "$1"
}

mkdir -p "$systems"
[ -d "$root" ] || unpack "$root"
cp -L /etc/resolv.conf "$root/etc/resolv.conf"
cp /etc/hosts "$root/etc/hosts"
# Whom this machine's owner trusts beside Debian's authorities, a proxy of their own for one, is trusted by npm there.
find /usr/local/share/ca-certificates -name '*.crt' -exec cat {} + >"$root/etc/host-authorities.crt" 2>/dev/null || true
trust=
[ ! -s "$root/etc/host-authorities.crt" ] || trust=NODE_EXTRA_CA_CERTS=/etc/host-authorities.crt

# In name spaces of its own: what is mounted goes away with the command, and so does what it leaves running.
exec unshare --mount --pid --fork --kill-child bash -c '
  set -eu
  root=$1 trust=$2
  shift 2
  mount -t proc proc "$root/proc"
  mount --rbind /sys "$root/sys"
  mount --rbind /dev "$root/dev"
  exec env -i HOME=/root TERM="${TERM:-dumb}" LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin $trust \
    chroot "$root" "$@"' bash "$root" "$trust" "$@"
