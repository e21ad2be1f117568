#!/usr/bin/env bash
# Proves that the manual page lists each command and each option that --help has, and that bash (and zsh, where it is)
# completes them.
# Usage: tools/shell_files_test.sh BUILD_DIRECTORY
set -euo pipefail
build=$(cd "$1" && pwd)
dstorch=$build/dstorch
failures=0
complain() { echo "shell files: $*"; failures=$((failures + 1)); }

# What --help says there is: the commands are the words that have a help of their own.
help_of() { "$dstorch" "$@" --help; }
commands=$(help_of | awk '/^Subcommands:/ { on = 1; next } on && /^  ?[a-z]/ { print $1 }')
for command in generate tokenize inspect bench devices train train-tokenizer; do
  grep -qx "$command" <<<"$commands" || complain "--help does not list $command"
done
page=$(sed 's/\\-/-/g; s/\\f[BIR]//g' "$build/shell/man/dstorch.1")
source "$build/shell/bash/dstorch"

complete_words() {  # complete_words WORD...: what bash offers for the last one
  COMP_WORDS=(dstorch "$@") COMP_CWORD=$#
  COMPREPLY=()
  _dstorch || true
  printf '%s\n' "${COMPREPLY[@]:-}"
}
offers() { grep -qxF -- "$1" <<<"$(complete_words "${@:2}")" || complain "'${*:2}' is not completed to $1"; }

[ "$(complete_words gener)" = generate ] || complain "'gener' is not completed to generate alone"
for command in $commands; do
  grep -qF ".SS dstorch $command" <<<"$page" || complain "the manual does not list $command"
  offers "$command" ""
  section=$(awk -v head=".SS dstorch $command" '/^\.S/ { on = $0 == head } on' <<<"$page")
  options=$(help_of "$command" | grep -oE '^ +(-[a-zA-Z],? ?)?--[a-z0-9-]+' | grep -oE -- '--[a-z0-9-]+' | sort -u)
  [ -n "$options" ] || complain "no options in the help of $command"
  for option in $options; do
    grep -qE -- "(^|[ ,])$option( |,|$)" <<<"$section" || complain "the manual of $command does not list $option"
    offers "$option" "$command" "$option"
    grep -qF -- "*$option[" "$build/shell/zsh/_dstorch" || complain "zsh does not know $option"
  done
done
offers webgl generate --device w
offers --model generate --json --mod  # no value follows a flag
grep -qF -- "*--json[" "$build/shell/zsh/_dstorch" && ! grep -qE -- "\*--json\[.*\]:" "$build/shell/zsh/_dstorch" || complain "zsh takes --json for an option with a value"
grep -qE -- "\*--model\[.*\]:model:_files" "$build/shell/zsh/_dstorch" || complain "zsh does not complete files after --model"
offers bfloat16 generate --dtype ""
[ -z "$(complete_words generate --model "")" ] || complain "--model is followed by a file, not by words"
[ -z "$(complete_words generate "a prompt")" ] || complain "a prompt is completed"
complete -p dstorch | grep -q -- '-o default' || complain "bash does not complete files"

if command -v zsh >/dev/null; then zsh -n "$build/shell/zsh/_dstorch" || complain "zsh does not read its file"; fi
if command -v man >/dev/null; then
  [ -z "$(man --warnings -l "$build/shell/man/dstorch.1" 2>&1 >/dev/null)" ] || complain "man finds fault with the page"
fi
grep -qF "dstorch $("$dstorch" --version)" <<<"$page" || complain "the manual is of another version"

[ "$failures" = 0 ] && echo "the manual and the completion follow the command"
exit "$((failures > 0))"
