#!/usr/bin/env bash
# Installs a .deb of dstorch into a system of Debian's SUITE that has nothing else, and uses it as its user would: the
# command, its manual page and completion, the device webgl, a program built against the library with CMake and with
# pkg-config; then removes it. Without FILE.deb one is built first, in a system of its own.
# Usage: tools/test_deb.sh SUITE [FILE.deb]
set -euo pipefail
cd "$(dirname "$0")/.."
suite=${1:?usage: $0 SUITE [FILE.deb]}
systems=${DSTORCH_SYSTEMS:-/var/tmp/dstorch-systems}
if [ $# -lt 2 ]; then
  tools/test_in_debian.sh "$suite" make deb
  set -- "$suite" "$(ls -t "$systems/$suite-test/dstorch/build/deb"/dstorch_*.deb | head -n 1)"
fi
name=$suite-clean
root=$systems/$name
rm -rf --one-file-system "$root"
tools/debian_system.sh "$suite" "$name" true
mkdir "$root/root/new"
cp "$2" "$root/root/new/dstorch.deb"
cp -r tests/consumer "$root/root/new/consumer"

tools/debian_system.sh "$suite" "$name" bash -euo pipefail -c '
  cd /root/new
  export DEBIAN_FRONTEND=noninteractive
  install() { apt-get -qq install -y --no-install-recommends "$@" >/dev/null; }
  fail() { echo "test_deb: $*" >&2; exit 1; }
  dpkg-deb --info dstorch.deb | sed -n "s/^ \(Package\|Version\|Architecture\|Installed-Size\|Depends\|Recommends\|Suggests\): /&/p"
  apt-get -qq update

  install ./dstorch.deb
  dstorch --version
  answer=$(dstorch generate "$(printf "python3-yaml\t")" --temperature 0 --max-tokens 32)
  echo "python3-yaml: $answer"
  [ -n "$answer" ] || fail "the bundled model says nothing"
  dstorch devices
  ! dstorch devices 2>&1 | grep -q "webgl-trial is missing" || fail "the helper is not found"
  [ -f /usr/share/man/man1/dstorch.1 ] || fail "no manual page"
  for shell in bash-completion/completions/dstorch zsh/vendor-completions/_dstorch; do
    [ -s "/usr/share/$shell" ] || fail "no /usr/share/$shell"
  done

  install libegl1 libgles2 libgl1-mesa-dri
  dstorch devices --json | grep -q "\"device\":\"webgl\",\"usable\":true" || fail "webgl is not usable: $(dstorch devices)"

  install g++ cmake make pkg-config libtorch-dev nlohmann-json3-dev libfmt-dev libpcre2-dev libutf8proc-dev libhwy-dev
  cmake -S consumer -B with-cmake >cmake.log 2>&1 && cmake --build with-cmake >>cmake.log 2>&1 || { cat cmake.log; fail "the consumer does not build"; }
  with-cmake/consumer | grep -q "a canned answer" || fail "the consumer does not run"
  g++ consumer/main.cpp -o with-pkg-config $(pkg-config --cflags --libs dstorch) || fail "the consumer does not build with pkg-config"
  ./with-pkg-config | grep -q "a canned answer" || fail "the consumer of pkg-config does not run"

  dpkg -r dstorch >/dev/null
  left=$(find / -xdev -path /root -prune -o -iname "*dstorch*" -print)
  [ -z "$left" ] || fail "left behind: $left"
  echo "test_deb: installed, used and removed on $(. /etc/os-release; echo "$PRETTY_NAME")"'
