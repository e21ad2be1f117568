#!/usr/bin/env bash
# Formats every C++ file that git does not ignore, or checks that they are formatted. Each version of clang-format has
# its own opinion: with any but VERSION nothing is checked, which is said, and nothing formatted.
# Usage: tools/format.sh [--check]
set -euo pipefail
cd "$(dirname "$0")/.."
version=14

# The pinned one under its own name or as plain clang-format.
program=
for name in clang-format-$version clang-format; do
  if [[ "$("$name" --version 2>/dev/null)" =~ version\ $version\. ]]; then program=$name && break; fi
done
if [ -z "$program" ]; then
  why="that takes clang-format $version, and this system has $(clang-format --version 2>/dev/null || echo none)"
  [ "${1:-}" = --check ] && echo "format: not checked: $why" && exit 0
  echo "format: nothing formatted: $why" >&2
  exit 1
fi
mode=(-i)
[ "${1:-}" = --check ] && mode=(--dry-run --Werror)
{
  git ls-files -z --cached --others --exclude-standard -- '*.cpp' '*.h' 2>/dev/null ||
    find . -path './build*' -prune -o -type f \( -name '*.cpp' -o -name '*.h' \) -print0  # a copy without git
} | sort -zu |
  while IFS= read -r -d '' file; do [ ! -f "$file" ] || printf '%s\0' "$file"; done |
  xargs -0 -r "$program" --style=file "${mode[@]}"
