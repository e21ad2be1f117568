#!/bin/sh
# The whole of package_sections.cpp: takes the list of packages that apt knows, teaches the bundled model, and prints how
# often each way names a held-out package's section. Stopped, it goes on when it is called again.
#
#   examples/package_sections.sh [DIRECTORY [EPOCHS]]
#
# DIRECTORY (default build/package-sections): where the lists and what is trained go. Needs `make build`, perl, and apt
# with its lists (`apt-get update`).
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
work=${1:-$root/build/package-sections}
mkdir -p "$work"
if [ ! -f "$work/list/train.tsv" ]; then
  "$root/tools/package_list.sh" "$work/list"
fi
cd "$root"
exec "$root/build/release/examples/example_package_sections" "$work/list/train.tsv" "$work/list/held-out.tsv" "$work" \
  "${2:-3}"
