#!/usr/bin/env python3
"""Makes src/text/unicode_stand_ins.h: for each character that Oniguruma, as built into Hugging Face `tokenizers`, knows and
the Unicode 14 of this Python (3.11) does not, one of Unicode 14 with as many bytes, whose general category, script and other
properties Oniguruma says are the same, or else as many of them as there is one for. A script that is newer than Unicode 14
has a rare one stand for it."""
import pathlib
import unicodedata

from tokenizers import Regex, pre_tokenizers

CATEGORIES = "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Co".split()
LETTERS = ["Alphabetic", "Uppercase", "Lowercase"]
PROPERTIES = LETTERS + ["Emoji", "Extended_Pictographic", "Diacritic", "Extender"]
SCRIPTS = """Common Inherited Latin Greek Cyrillic Armenian Hebrew Arabic Syriac Thaana Devanagari Bengali Gurmukhi Gujarati
    Oriya Tamil Telugu Kannada Malayalam Sinhala Thai Lao Tibetan Myanmar Georgian Hangul Ethiopic Cherokee Khmer Mongolian
    Hiragana Katakana Bopomofo Han Yi""".split()
# What must be the same, the best first.
DEMANDS = [CATEGORIES + PROPERTIES + SCRIPTS, CATEGORIES + LETTERS + SCRIPTS, CATEGORIES + LETTERS, CATEGORIES]
UNICODE = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
TEXT = "".join(map(chr, UNICODE))


def matched(pattern):
    split = pre_tokenizers.Split(Regex(pattern), "removed", invert=True)
    return {ord(c) for piece, _ in split.pre_tokenize_str(TEXT) for c in piece}


def main():
    names = CATEGORIES + PROPERTIES + SCRIPTS
    has = {c: [] for c in UNICODE}
    for name in names:
        for c in matched(rf"\p{{{name}}}+"):
            has[c].append(name)
    old = {c: unicodedata.category(chr(c)) for c in UNICODE}

    def kinds(c):
        size = len(chr(c).encode())
        return [(size, *(name for name in has[c] if name in demanded)) + (i,) for i, demanded in enumerate(DEMANDS)]

    stand_ins = {}
    for c in UNICODE:  # the last of a kind: what is rare comes late
        if old[c] != "Cn" and old[c] in has[c]:
            same, alike, *otherwise = kinds(c)
            stand_ins[same] = stand_ins[alike] = c
            for kind in otherwise:
                if kind not in stand_ins or not any(name in SCRIPTS for name in has[c]):
                    stand_ins[kind] = c
    rows = []
    for c in UNICODE:
        if old[c] != "Cn" or not any(name in CATEGORIES for name in has[c]):
            continue
        other = next(stand_ins[kind] for kind in kinds(c) if kind in stand_ins)
        if rows and rows[-1][1] == c - 1 and rows[-1][2] == other:
            rows[-1][1] = c
        else:
            rows.append([c, c, other])
    path = pathlib.Path(__file__).resolve().parent.parent / "src/text/unicode_stand_ins.h"
    path.write_text("\n".join([
        "#pragma once", "", "// Made by tools/make_unicode_stand_ins.py.", "",
        "namespace dstorch::text {", "", "/// Code points [first, last] that Unicode got after version 14, and an older one of their kind.",
        "struct StandIn {", "  char32_t first;", "  char32_t last;", "  char32_t older;", "};", "",
        "inline constexpr StandIn kStandIns[] = {",
        *(f"    {{0x{a:04X}, 0x{b:04X}, 0x{o:04X}}}," for a, b, o in rows), "};", "", "}  // namespace dstorch::text", ""]))
    print(len(rows), "rows")


if __name__ == "__main__":
    main()
