#!/usr/bin/env bash
# Fails on what the layering forbids (CONTRIBUTING.md, "Layers"), one line for each place:
#   an include that points up, public headers included; torch in a folder that knows none; an app, example or binding
#   that includes anything but <dstorch/...> and its own files; <torch/torch.h>, which costs every file seconds; a LibTorch version #if outside
#   src/core/torch_compat.h; too many public headers; a file that names a type of <cstdint> and comes by it only through
#   what the standard library of one compiler happens to include.
# Usage: tools/check_layers.sh [ROOT]
set -euo pipefail
cd "${1:-$(dirname "$0")/..}"
max_public_headers=20

folders=()
for folder in src include apps bindings examples; do [ ! -d $folder ] || folders+=("$folder"); done
find "${folders[@]}" \( -name node_modules -o -name build \) -prune -o \
  -type f \( -name '*.h' -o -name '*.cpp' -o -name '*.cu' \) -print | LC_ALL=C sort |
  awk -v max_public_headers=$max_public_headers '
BEGIN {
  # What a folder may include beside itself: its own words and all that these may include.
  may("core", "");              may("text", "core");          may("io", "core");       may("device", "core")
  may("ops", "device core");    may("nn", "ops");             may("models", "nn io");  may("engine", "models text")
  may("train", "engine");       may("program", "engine");     may("driver", "program train")
  no_torch["core"]; no_torch["text"]; no_torch["io"]; no_torch["ops/cpu"]
  # The folder that a public header declares something of; dstorch.h is for programs alone.
  declares("core", "dtype error log");              declares("device", "device memory")
  declares("text", "chat constraint generation tokenizer")
  declares("io", "checkpoint model_source");        declares("models", "architecture simple_transformer")
  declares("train", "train finetune");              declares("driver", "lm_driver conversation torch_model torch_utils")
}
function declares(folder, headers,    list, n, i) {
  n = split(headers, list, " ")
  for (i = 1; i <= n; i++) home["dstorch/" list[i] ".h"] = folder
}
# Of a folder, or of the one that a public header belongs to.
function check_public(folder, path) {
  if (!(path in home)) complain((path == "dstorch/dstorch.h" ? "programs alone include " : "tools/check_layers.sh does not know the layer of ") path)
  else if (!((folder, home[path]) in allowed)) complain(folder " may not include " path ", which belongs to " home[path] ": includes point down only")
}
function may(folder, words,    list, n, i, other) {
  known[folder]
  allowed[folder, folder]
  n = split(words, list, " ")
  for (i = 1; i <= n; i++)
    for (other in known)
      if ((list[i], other) in allowed) allowed[folder, other]
}
function complain(text) { print file ":" line ": " text; bad = 1 }
function is_torch(path) { return path ~ /^(torch|ATen|c10|caffe2)\// || path == "core/torch_compat.h" }

function check_src(path, quoted,    folder, part, target) {
  folder = file; sub(/^src\//, "", folder)
  part = folder ~ /^ops\/cpu\// ? "ops/cpu" : ""
  sub(/\/.*/, "", folder)
  if (is_torch(path) && file != "src/core/torch_compat.h" && ((part != "" ? part : folder) in no_torch))
    complain((part != "" ? part : folder) " knows no torch, but includes " path)
  if (!(folder in known)) { complain("unknown layer src/" folder ": give it its place in tools/check_layers.sh"); return }
  if (path ~ /^dstorch\//) { check_public(folder, path); return }
  target = path; sub(/\/.*/, "", target)
  if (!(target in known)) {
    if (quoted && path !~ /^dstorch\//) complain("includes \"" path "\": write it relative to src/, or <...> if it is not ours")
  } else if (!((folder, target) in allowed)) {
    complain(folder " may not include " path ": includes point down only")
  } else if (part == "ops/cpu" && target != "core" && path !~ /^ops\/cpu\//) {
    complain("ops/cpu may include only core and itself, but includes " path)
  }
}
function check_header(path,    own) {
  own = file; sub(/^include\//, "", own)
  if (own in home) check_public(home[own], path)
  else if (own != "dstorch/dstorch.h") complain("give the header its layer in tools/check_layers.sh")
}
function check_outside(path, quoted,    target) {
  target = path; sub(/\/.*/, "", target)
  if (is_torch(path) && file ~ /^apps\//) complain("apps use the library through <dstorch/...>, but this includes " path)
  else if (target in known || path ~ /^\.\.\// || path ~ /^src\//)
    complain("only <dstorch/...> may be included here, not " path)
}
# How a file comes by <cstdint>: itself, through a library that is not the compiler s, or through files of ours.
function note_include(path) {
  if (path == "cstdint" || path == "stdint.h" || path ~ /^(torch|ATen|c10|hwy|nlohmann|fmt|CLI|EGL|GLES)/) has_integers[file]
  includes[file] = includes[file] " " path
}
function reaches_integers(from,    list, n, i, place) {
  if (from in has_integers) return 1
  if (from in visited) return 0
  visited[from]
  n = split(includes[from], list, " ")
  for (i = 1; i <= n; i++)
    for (place in roots)
      if (((place list[i]) in read) && reaches_integers(place list[i])) return 1
  return 0
}
{
  file = $0; line = 0
  read[file]
  folder_of_file = file; sub(/[^\/]*$/, "", folder_of_file)
  roots["src/"]; roots["include/"]; roots[folder_of_file]
  if (file ~ /^include\//) {
    public_headers++
    if (file !~ /^include\/dstorch\/[^\/]*$/) { line = 1; complain("public headers lie in include/dstorch/ itself") }
  }
  while ((getline text < file) > 0) {
    line++
    if (text ~ /^[ \t]*#[ \t]*(if|elif)/ && text ~ /(TORCH_(VERSION|MAJOR|MINOR|PATCH|API_)|TORCH_VERSION_)/ && file != "src/core/torch_compat.h")
      complain("what differs between versions of LibTorch belongs in src/core/torch_compat.h")
    if (!(file in names_integers) && text ~ /(^|[^A-Za-z0-9_])u?int(8|16|32|64|ptr)_t([^A-Za-z0-9_]|$)/ && text !~ /^[ \t]*\/\//)
      names_integers[file] = line
    if (text !~ /^[ \t]*#[ \t]*include[ \t]*["<]/) continue
    path = text; sub(/^[ \t]*#[ \t]*include[ \t]*["<]/, "", path); sub(/[">].*/, "", path)
    quoted = text ~ /include[ \t]*"/
    note_include(path)
    if (path == "torch/torch.h") complain("include the narrow header of what is used instead of <torch/torch.h>")
    if (file ~ /^src\//) check_src(path, quoted)
    else if (file ~ /^include\// && quoted && path !~ /^dstorch\//) complain("a public header includes only \"dstorch/...\" and system headers, not " path)
    else if (file ~ /^include\// && quoted) check_header(path)
    else check_outside(path, quoted)
  }
  close(file)
}
END {
  for (file in names_integers) {
    split("", visited)
    line = names_integers[file]
    if (!reaches_integers(file)) complain("names a type of <cstdint> without including it")
  }
  if (public_headers > max_public_headers) {
    print "include/dstorch: " public_headers " public headers, at most " max_public_headers " are allowed"; bad = 1
  }
  exit bad
}'
