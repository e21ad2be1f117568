#!/usr/bin/env bash
# Packs the package and installs it elsewhere, as somebody does who has the dstorch library installed; and as somebody who
# has not, and is told so.
# Usage: test/install.sh BUILD COMPILER
set -euo pipefail
build=$1
export CXX=$2
package=$(cd "$(dirname "$0")/.." && pwd)
work=$build/node_package
rm -rf "$work"
mkdir -p "$work/project"
cmake --install "$build" --prefix "$work/prefix" >/dev/null

cd "$work"
npm pack --silent --ignore-scripts "$package" >/dev/null
tarball=$(echo "$work"/dstorch-*.tgz)
tar -tzf "$tarball" | sort >files
for file in index.js index.mjs index.d.ts install.js CMakeLists.txt lib/torch_model.js src/addon.cpp README.md; do
  grep -qx "package/$file" files || { echo "the package has no $file"; exit 1; }
done
! grep -E 'package/(test|build|node_modules)/' files || { echo "the package has what is not for its users"; exit 1; }

cd project
echo '{ "private": true }' >package.json
npm_install() { npm install --prefer-offline --no-audit --no-fund --foreground-scripts "$tarball" >output 2>&1 </dev/null; }
# What is missing is said; CMake must not find an installation of the system's.
if DSTORCH_PREFIX=$work/nowhere npm_install; then
  [ -e /usr/lib/cmake/dstorch ] || [ -e /usr/local/lib/cmake/dstorch ] || ls /usr/lib/*/cmake/dstorch >/dev/null 2>&1 ||
    { echo "installed without the library"; cat output; exit 1; }
else
  grep -q 'The dstorch library is not installed' output || { echo "does not say what is missing:"; cat output; exit 1; }
fi
rm -rf node_modules package-lock.json

# -O0: what is tested is that it builds.
DSTORCH_PREFIX=$work/prefix CXXFLAGS=-O0 npm_install || { echo "does not install:"; cat output; exit 1; }
cat >program.mjs <<'END'
import { TorchModel } from 'dstorch';
const model = new TorchModel({ architecture: { inputSize: 1, hiddenSize: 8, outputSize: 2 } });
await model.init();
console.log(await model.generate('a prompt'));
await model.cleanup();
END
node program.mjs | grep -q 'Torch model output (shape: 1x2, values: '
echo "the package installs, and says what it needs"
