#!/bin/sh
# Writes the text that the bundled model learns from and is measured on: one line `name TAB section TAB description` for
# each package that apt knows, in the byte order of the names. A tenth of the lines, those whose sha1(name) has a first
# byte of 7 modulo 10, is held out. The same `apt-cache dumpavail` gives the same files.
#
#   tools/package_list.sh DIRECTORY [AVAILABLE]
#
# AVAILABLE: a file with the output of `apt-cache dumpavail`, instead of running it.
# DIRECTORY/packages.tsv   all lines
# DIRECTORY/train.tsv      nine tenths of them
# DIRECTORY/held-out.tsv   the other tenth
# DIRECTORY/train.txt      what the trainer reads: PASSES times (default 8) all of train.tsv, each time dealt into nine
#                          sorted samples with a line <|endoftext|> after each. A sample is as thin as the held-out tenth,
#                          so that a line's neighbours say as much about it as they do there.
set -eu
export LC_ALL=C

if [ $# -lt 1 ] || [ $# -gt 2 ]; then
  echo "usage: $0 DIRECTORY [AVAILABLE]" >&2
  exit 2
fi
out=$1
mkdir -p "$out"
# Written under another name first, so that no half list ever has the final one.
work=$(mktemp -d "$out/.package_list.XXXXXX")
trap 'rm -rf "$work"' EXIT

if [ $# -eq 2 ]; then
  cat "$2" >"$work/available"
else
  apt-cache dumpavail >"$work/available"
fi

# A name can come more than once, with other versions or architectures; its last stanza counts.
awk '
  function flush() {
    if (name != "" && section != "" && description != "") line[name] = name "\t" section "\t" description
    name = section = description = ""
  }
  /^Package: /     { flush(); name = substr($0, 10) }
  /^Section: /     { section = substr($0, 10) }
  /^Description: / { description = substr($0, 14); gsub(/\t/, " ", description) }
  END              { flush(); for (n in line) print line[n] }
' "$work/available" | sort >"$work/packages.tsv"

if [ ! -s "$work/packages.tsv" ]; then
  echo "$0: apt knows no packages; run 'apt-get update' first" >&2
  exit 1
fi

perl -MDigest::SHA=sha1 -e '
  use strict;
  my ($work, $passes) = @ARGV;
  my $samples = 9;
  my %file;
  for my $name (qw(train.tsv held-out.tsv train.txt)) {
    open($file{$name}, ">", "$work/$name") or die "$work/$name: $!\n";
  }
  open(my $in, "<", "$work/packages.tsv") or die "$work/packages.tsv: $!\n";
  my (@lines, @names);
  while (my $line = <$in>) {
    my ($name) = split(/\t/, $line, 2);
    my $held_out = ord(sha1($name)) % 10 == 7;
    print { $file{$held_out ? "held-out.tsv" : "train.tsv"} } $line;
    if (!$held_out) { push @lines, $line; push @names, $name; }
  }
  for my $pass (1 .. $passes) {
    my @sample = ("") x $samples;
    for my $i (0 .. $#lines) { $sample[unpack("N", sha1("$pass $names[$i]")) % $samples] .= $lines[$i]; }
    print { $file{"train.txt"} } "$_<|endoftext|>\n" for @sample;
  }
  for my $name (keys %file) { close($file{$name}) or die "$work/$name: $!\n"; }
' "$work" "${PASSES:-8}"

for file in packages.tsv train.tsv held-out.tsv train.txt; do
  mv "$work/$file" "$out/$file"
  printf '%s: %s lines, %s bytes, sha256 %s\n' "$out/$file" "$(wc -l <"$out/$file")" "$(wc -c <"$out/$file")" \
    "$(sha256sum <"$out/$file" | cut -d' ' -f1)"
done
