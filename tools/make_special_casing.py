#!/usr/bin/env python3
"""Makes src/text/jinja/special_casing.h: characters whose upper or title case is more than one character, as this
Python has them. The simple ones come from utf8proc."""
import pathlib


def literal(text):
    return "".join(f"\\u{ord(c):04X}" for c in text)


def rows(change):
    for code in range(0x80, 0x110000):
        if not 0xD800 <= code < 0xE000 and len(change(chr(code))) > 1:
            yield f'    {{0x{code:04X}, U"{literal(change(chr(code)))}"}},'


def main():
    tables = {"Upper": str.upper, "Title": str.title}
    lines = ["#pragma once", "", "// Made by tools/make_special_casing.py.", "", "namespace dstorch::text::jinja {", "",
             "/// A character that becomes more than one.", "struct SpecialCase {", "  char32_t from;", "  const char32_t* to;", "};", ""]
    for name, change in tables.items():
        lines += [f"inline constexpr SpecialCase k{name}[] = {{", *rows(change), "};", ""]
    path = pathlib.Path(__file__).resolve().parent.parent / "src/text/jinja/special_casing.h"
    path.write_text("\n".join([*lines, "}  // namespace dstorch::text::jinja", ""]))


if __name__ == "__main__":
    main()
