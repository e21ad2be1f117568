#!/usr/bin/env python3
"""Makes src/text/unicode_scripts.h: which script each character has for the pre-tokenizer UnicodeScripts of Hugging Face's
tokenizers, whose table is its own. Needs tokenizers (made with 0.23.3). The scripts have numbers, not names: the
pre-tokenizer only asks whether two are the same."""
import pathlib

from tokenizers import pre_tokenizers

SPLIT = pre_tokenizers.UnicodeScripts()
HAN, LATIN = "漢", "a"


def boundaries(text):
    """Before which characters of `text` a piece begins."""
    return {begin for _, (begin, _) in SPLIT.pre_tokenize_str(text)}


def asked(strings):
    """The boundaries within each of `strings`, all of which have one length; asked many at a time."""
    for at in range(0, len(strings), 3000):
        part = strings[at:at + 3000]
        length = len(part[0])
        found = boundaries("".join(part))
        for i in range(len(part)):
            yield {k for k in range(1, length) if i * length + k in found}


def main():
    points = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    # A character of no script joins what is before it, whatever that is.
    after_han = list(asked([LATIN + HAN + chr(c) for c in points]))
    after_latin = list(asked([HAN + LATIN + chr(c) for c in points]))
    scripted = [c for c, han, latin in zip(points, after_han, after_latin) if 2 in han or 2 in latin]
    pairs = list(asked([chr(a) + chr(b) for a, b in zip(scripted, scripted[1:])]))
    runs = []
    for i, c in enumerate(scripted):
        if i > 0 and c == scripted[i - 1] + 1 and 1 not in pairs[i - 1]:
            runs[-1][1] = c
        else:
            runs.append([c, c])
    examples, rows = [], []
    for first, last in runs:
        same = next((k for k, cuts in enumerate(asked([chr(e) + chr(first) for e in examples])) if 1 not in cuts), None) if examples else None
        if same is None:
            same = len(examples)
            examples.append(first)
        rows.append((first, last, same + 1))
    cells = [f"{{0x{a:X}, 0x{b:X}, {script}}}," for a, b, script in rows]
    lines = ["    " + " ".join(cells[i:i + 5]) for i in range(0, len(cells), 5)]
    path = pathlib.Path(__file__).resolve().parent.parent / "src/text/unicode_scripts.h"
    path.write_text("\n".join([
        "#pragma once", "", "// Made by tools/make_unicode_scripts.py.", "", "#include <cstdint>", "", "namespace dstorch::text::unicode {", "",
        "/// Characters [first, last] of one script, which has a number.", "struct ScriptRange {", "  char32_t first;", "  char32_t last;",
        "  uint8_t script;", "};", "", "/// In order; a character in none of them has no script.",
        "// clang-format off", f"inline constexpr ScriptRange kScripts[] = {{", *lines, "};", "// clang-format on", "",
        "}  // namespace dstorch::text::unicode", ""]))
    print(len(rows), "ranges,", len(examples), "scripts")


if __name__ == "__main__":
    main()
