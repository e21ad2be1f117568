#!/usr/bin/env python3
"""Makes src/text/unicode_additions.h: letters, numbers and marks that Oniguruma, as built into Hugging Face `tokenizers`,
knows and the Unicode 14 of this Python does not. Debian's utf8proc is as old or a little newer."""
import pathlib
import unicodedata

from tokenizers import Regex, pre_tokenizers

KINDS = [("kLetter | kUpper", r"[\p{Lu}\p{Lt}]"), ("kLetter | kLower", r"\p{Ll}"), ("kLetter | kUpper | kLower", r"[\p{Lm}\p{Lo}]"),
         ("kMark | kUpper | kLower", r"\p{M}"), ("kNumber", r"\p{N}")]
TEXT = "".join(chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000 and unicodedata.category(chr(c)) == "Cn")


def matched(pattern):
    split = pre_tokenizers.Split(Regex(pattern), "removed", invert=True)
    return sorted(ord(c) for piece, _ in split.pre_tokenize_str(TEXT) for c in piece)


def ranges(points):
    out = []
    for c in points:
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def main():
    rows = sorted((a, b, kind) for kind, pattern in KINDS for a, b in ranges(matched(pattern)))
    lines = [f"    {{0x{a:04X}, 0x{b:04X}, {kind}}}," for a, b, kind in rows]
    path = pathlib.Path(__file__).resolve().parent.parent / "src/text/unicode_additions.h"
    path.write_text("\n".join([
        "#pragma once", "", "// Made by tools/make_unicode_additions.py.", "", '#include "text/unicode.h"', "",
        "namespace dstorch::text::unicode {", "", "/// Code points [first, last] that Unicode got after version 14.",
        "struct Addition {", "  char32_t first;", "  char32_t last;", "  uint8_t bits;", "};", "",
        "inline constexpr Addition kAdditions[] = {", *lines, "};", "", "}  // namespace dstorch::text::unicode", ""]))
    print(len(rows))


if __name__ == "__main__":
    main()
