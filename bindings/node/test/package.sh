#!/usr/bin/env bash
# Packs the package, installs it with npm in an empty folder, against the library of a build as `cmake --install` leaves it,
# and runs a model from there.
# Usage: test/package.sh BUILD
set -euo pipefail
build=$(realpath "$1")
cd "$(dirname "$0")/.."
here=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --prefix "$work/prefix" >/dev/null
npm pack --pack-destination "$work" --loglevel=error >/dev/null

mkdir "$work/program"
cd "$work/program"
echo '{ "private": true }' >package.json
# What it depends on comes from the packages that are here, so that this needs no network.
DSTORCH_PREFIX=$work/prefix npm install --offline --install-links --foreground-scripts --no-audit --no-fund \
  "$here/node_modules/node-addon-api" "$here/node_modules/node-api-headers" "$work"/dstorch-*.tgz
cat >answer.mjs <<'END'
import { TorchModel, bundledModelPath } from 'dstorch';
const model = new TorchModel({ modelPath: bundledModelPath() });
await model.init();
console.log(await model.generate('python3-yaml\t', { temperature: 0, maxTokens: 2 }));
await model.cleanup();
END
answer=$(node answer.mjs)
[[ $answer == python* ]] || { echo "it answered: $answer" >&2; exit 1; }
echo "installed and answered"
