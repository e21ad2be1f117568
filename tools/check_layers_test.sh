#!/usr/bin/env bash
# Proves that check_layers.sh passes a clean tree and catches each kind of violation.
set -euo pipefail
check=$(cd "$(dirname "$0")" && pwd)/check_layers.sh
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
failures=0

write() {  # write FILE TEXT
  mkdir -p "$root/$(dirname "$1")"
  printf '%s\n' "$2" >"$root/$1"
}
clean_tree() {
  rm -rf "${root:?}"/*
  write include/dstorch/error.h '#include <string>'
  write src/core/throw.h '#include "dstorch/error.h"'
  write src/core/torch_compat.h $'#include <torch/version.h>\n#if TORCH_VERSION_MAJOR < 2'
  write src/ops/cpu/gemv.cpp $'#include "ops/cpu/gemv.h"\n#include "core/throw.h"'
  write src/ops/norm.cpp $'#include <ATen/ATen.h>\n#include "core/torch_compat.h"\n#include "ops/cpu/gemv.h"'
  write src/models/llama.cpp $'#include "nn/norm.h"\n#include "io/config.h"\n#include "device/memory.h"'
  write src/driver/torch_model.cpp $'#include "train/loop.h"\n#include "text/bpe.h"'
  write src/io/crc.h $'#include <cstdint>\nuint32_t crc();'
  write src/io/crc.cpp $'#include "io/crc.h"\n// an int64_t in a comment\nuint32_t crc() { return 0; }'
  write apps/cli/main.cpp $'#include "commands.h"\n#include <dstorch/error.h>\n#include <cstdio>'
}
expect_pass() {
  local output
  if ! output=$("$check" "$root" 2>&1); then
    echo "a clean tree was refused:"; echo "$output"; failures=$((failures + 1))
  fi
}
expect_caught() {  # expect_caught WORDS: the check fails and says WORDS
  local output
  if output=$("$check" "$root" 2>&1); then
    echo "not caught: $1"; failures=$((failures + 1))
  elif ! grep -qF -- "$1" <<<"$output"; then
    echo "caught, but without saying '$1':"; echo "$output"; failures=$((failures + 1))
  fi
  clean_tree
}

clean_tree
expect_pass
write src/core/throw.h '#include "io/checkpoint.h"';            expect_caught 'src/core/throw.h:1: core may not include io/checkpoint.h'
write src/models/llama.cpp $'\n#include "engine/sampler.h"';  expect_caught 'src/models/llama.cpp:2: models may not include'
write src/models/llama.cpp '#include "text/bpe.h"';             expect_caught 'models may not include text/bpe.h'
write src/text/bpe.cpp '#include "io/config.h"';                expect_caught 'text may not include io/config.h'
write src/io/pickle.cpp '# include <torch/torch.h>';            expect_caught 'io knows no torch'
write src/text/bpe.cpp '#include <c10/util/Half.h>';            expect_caught 'text knows no torch'
write src/ops/cpu/gemv.cpp '#include <ATen/Parallel.h>';        expect_caught 'ops/cpu knows no torch'
write src/ops/cpu/gemv.cpp '#include "core/torch_compat.h"';    expect_caught 'ops/cpu knows no torch'
write src/ops/cpu/gemv.cpp '#include "ops/norm.h"';             expect_caught 'ops/cpu may include only core and itself'
write src/nn/norm.cpp '#include "norm.h"';                      expect_caught 'write it relative to src/'
write src/magic/a.cpp '#include "core/throw.h"';                expect_caught 'unknown layer src/magic'
write apps/cli/main.cpp '#include "core/throw.h"';              expect_caught 'only <dstorch/...> may be included here'
write apps/cli/main.cpp '#include "../../src/io/pickle.h"';     expect_caught 'only <dstorch/...> may be included here'
write apps/cli/main.cpp '#include <torch/torch.h>';             expect_caught 'apps use the library through'
write examples/first.cpp '#include "driver/x.h"';               expect_caught 'only <dstorch/...> may be included here'
write bindings/node/addon.cpp '#include "models/registry.h"';   expect_caught 'only <dstorch/...> may be included here'
write src/nn/norm.cpp '#include <torch/torch.h>';               expect_caught 'include the narrow header'
write include/dstorch/error.h '#include "core/throw.h"';        expect_caught 'a public header includes only'
write src/ops/norm.cpp '#include "dstorch/torch_model.h"';      expect_caught 'ops may not include dstorch/torch_model.h, which belongs to driver'
write src/io/open.cpp '#include "dstorch/dstorch.h"';           expect_caught 'programs alone include dstorch/dstorch.h'
write include/dstorch/checkpoint.h '#include "dstorch/train.h"'; expect_caught 'io may not include dstorch/train.h, which belongs to train'
write include/dstorch/new.h '#include "dstorch/error.h"';       expect_caught 'give the header its layer'
write include/dstorch/detail/x.h '#include <string>';           expect_caught 'public headers lie in include/dstorch/ itself'
write src/nn/norm.cpp '#if TORCH_VERSION_MAJOR >= 2';           expect_caught 'belongs in src/core/torch_compat.h'
write src/io/zip.h $'#include <vector>\nuint16_t flags;';        expect_caught 'src/io/zip.h:2: names a type of <cstdint>'
write src/io/zip.cpp $'#include "io/zip.h"\nint64_t size;';   expect_caught 'src/io/zip.cpp:2: names a type of <cstdint>'
for i in $(seq 20); do write "include/dstorch/h$i.h" '#include <string>'; done
expect_caught '21 public headers, at most 20'
expect_pass

[ "$failures" = 0 ] && echo "check_layers.sh catches every violation"
exit "$((failures > 0))"
