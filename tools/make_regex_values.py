#!/usr/bin/env python3
"""Makes tests/text/data/regex.json: what the regular expressions of Hugging Face's tokenizers (Oniguruma) find, pattern by
pattern. Needs tokenizers (made with 0.23.3). Characters are of Unicode 14 and before, which every PCRE2 in use knows,
but for a share of those that are newer; without the hundred whose scripts have no older character of their kind and length, which a
pattern with the script's name misses there (src/text/older_characters.h).
The test is tests/text/regex_values_test.cpp."""
import json
import pathlib
import unicodedata

from tokenizers import Regex, pre_tokenizers

# One of each category and script, in and out of ASCII, with what has been mistaken for something else.
CHARACTERS = "".join(chr(c) for c in [*range(0x250), *range(0x2C0, 0x600, 7), *range(0x600, 0x3200, 23), *range(0x3000, 0x3100), 0x4E00, 0x9FA5,
                                      0xA015, 0xA640, 0xAC00, 0xD7A3, 0xE000, 0xF900, 0xFB00, 0xFB06, 0xFE0F, 0xFF21, 0xFF66, 0xFF9E,
                                      0x10000, 0x10400, 0x1D400, 0x1F1E6, 0x1F600, 0x20000, 0xE0001, 0x10FFFD]
                     if unicodedata.category(chr(c)) not in ("Cn", "Cs") or c == 0x378)
NEWER = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000 and unicodedata.category(chr(c)) == "Cn"]
UNLIKE = [(0x10D4E, 0x10D8F), (0x10EFC, 0x10EFF), (0x116D0, 0x116E3), (0x11B00, 0x11B09), (0x1E030, 0x1E08F)]
CLASSES = ["alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "word", "xdigit"]
SCRIPTS = ["Han", "Hiragana", "Katakana", "Latin", "Greek", "Cyrillic", "Common", "Inherited", "Arabic", "Hebrew", "Thai", "Hangul",
           "Devanagari", "Bengali", "Hani", "old italic", "Canadian_Aboriginal"]
CATEGORIES = ["L", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "Mn", "N", "Nd", "No", "P", "Pd", "Ps", "S", "Sm", "Sc", "Z", "Zs", "Cc", "Cf", "Letter",
              "Punctuation", "Any", "Assigned", "Alphabetic", "White_Space", "Uppercase", "Lowercase"]

TEXTS = {
    "中。文、〆ー々ひカ": [r"\p{Han}+", r"\p{Common}", r"\p{Katakana}|\p{Hiragana}", r"[\p{Han}ー]+", r"[^\p{Han}]", r"\P{Han}+", r"\p{^Han}"],
    "a²b³c¹d¼e½f¾g-_ é e\u0301 क्षि": [r"\w+", r"[\w]+", r"\W+", r"[\W]+", r"[^\w]+", r"[\w²]+", r"\b.", r".\b", r"\B.", r"\bb", r"(?<=\w)\b",
                                      r"\p{Word}+", r"[\p{Word}]+", r"\P{Word}", r"[\P{Word}]", r"[[:word:]&&[^a]]"],
    "aaaaaaaxa{x}aababab{ 1}a{1a{,}xb xaab aaab": [
        r"a{,2}", r"a{2,}", r"a{,}", r"a{2}", r"a{3}+", r"a{2,3}+", r"a{1,2}+", r"a{,2}+", r"a{2}?", r"a{2,3}?", r"a{3,2}", r"a++", r"a?+", r"(?:ab){2}+",
        r"a{2}{3}", r"a{,0}", r"a{x}", r"a{ 1}", r"a{1", r"a{2}*", r"^a{3}+b", r"xa{2}?b", r"a{3,2}a", r"(a|b){2}+", r"[ab]{2}+", r"\w{2}+", r"x{1}+a{2}+",
        r"(?:a{3}+)b", r"a{2}{2}+", r"(?>a{2}+)a", r"(a(b)){2}+", r"\x61{2}", r"\x61{2}+b", r"\141{2}?b", r"(a)\1{2}+", r"(?<n>a)\k<n>{2}+"],
    "ss SS ß ẞ sS ﬆ st ﬅ ŉ ʼn K K k ſ S I i σςΣ ﬀ ff ﬁ fi ﬃ ffi FFI fﬁ xß sß ßs sss ﬆst 's 't 'ſ STRASSE Straße": [
        "(?i:ss)", "(?i:ß)", "(?i:s)", "(?i:st)", "(?i)k", "(?i:[k])", "(?i:σ)", "(?i:ff)", "(?i:'s|'t)", "(?i:ﬀ)", "(?i:ʼn)", "(?i:s+)", "(?i:ss+)", "(?i:s{2})",
        "(?i:fi|ffi)", "(?i:xss)", "(?i:ssx)", "(?i:stst)", "(?i:sſ)", "(?i:sss)", "(?i:ss?)", "(?i:sS+)", "(?i)straße", "(?i:ẞ)", "(?i:ﬃ)", "(?i:ffi)",
        "(?i:sst)", "ss", "(?i:(?-i:ss))", "s(?i)s|k"],
    "aB C aC ab xaBd xCd xaCd XaBd": [r"a(?i)b|c", r"(?i)b|c", r"x(a(?i)b|c)d", r"(?:a(?i)b)|c", r"(?i-i)a|b", r"(?-i:a)B"],
    "xxabyy /* a */ b */ xaay xaby": [r"(?~ab)", r"/\*(?~\*/)\*/", r"x(?~b)y", r"(?~a|b)+", r"x(?~(?:ab|ay))"],
    "a\vb\fc\n\r\nd\u2028e\u0085f Q q pL V O": [r"\v", r"[\v]", r"\R", r"\N+", r".+", r"\O", r"(?m:.+)", r"\Q", r"\q", r"\pL", r"\p", r"[\Q]", r"[\O]", r"[\R]", r"[\N]",
                                              r"[\X]", r"\i", r"\X", r"(?m)a.b", r"[^\n]+", r"\s+", r"\S+", r"$", r"^.", r"\A.", r".\z", r".\Z"],
    "e\u0301a\r\n👍🏽👨‍👩‍👧🇫🇷🇩각": [r"\X", r"\X{2}", r"\X+?"],
    "aA1漢あ_-b].:cd\nΑé ab$!²": [
        r"[[:^alpha:]]", r"[^[:alpha:]]", r"[\P{Han}&&\p{L}]", r"[a-z&&[^aeiou]]", r"[[:alpha:][:digit:]]", r"[:alpha:]", r"[.a]", r"[=a]", r"[a\-z]", r"[]a]",
        r"[^]a]", r"[a-c-e]", r"[[a]b]", r"[^[a]b]", r"[\x41]", r"[\x{41}]", r"\x{41}", r"\x41", r"\101", r"\u0041", r"[\u0041-\u0043]", r"(?x: a b )",
        r"(?#c[)a", r"(?<n>a)\k<n>|b", r"(a)\1|b", r"(?>a+)", r"(?<!a)b", r"a(?=b)", r"\G.", r"a|", r"\-", r"\_", r"{", r"}", r"]", r"\h", r"\H", r"[\h]", r"[\H]",
        r"a\Kb", r"[[:punct:]]", r"[\p{Punct}]", r"\p{Punct}", r"[^[:punct:]]", r"[[:^punct:]]", r"[[:graph:]]+", r"[[:print:]]+", r"\P{Graph}", r"\p{^Graph}",
        r"[\d\-]+", r"(?<=[[:alpha:]])\d"],
}


def found(pattern, text):
    """The matches that are not empty."""
    split = pre_tokenizers.Split(Regex(pattern), "removed", invert=True)
    return [piece for piece, _ in split.pre_tokenize_str(text)]


def main():
    cases = [[text, [[pattern, found(pattern, text)] for pattern in patterns]] for text, patterns in TEXTS.items()]
    every = [f"[[:{name}:]]+" for name in CLASSES] + [rf"\p{{{name}}}+" for name in [*CLASSES, *SCRIPTS, *CATEGORIES]]
    every += [rf"[^\p{{{name}}}]+" for name in [*CLASSES, *SCRIPTS]] + [f"[[:^{name}:]]+" for name in CLASSES]
    every += [r"\w+", r"\W+", r"\d+", r"\s+", r"\S+", r"[\w]+", r"[^\w\s]+"]
    cases.append([CHARACTERS, [[pattern, found(pattern, CHARACTERS)] for pattern in every]])
    assigned = "".join(found(r"\P{Cn}+", "".join(map(chr, NEWER))))
    assigned = [c for c in assigned if not any(a <= ord(c) <= b for a, b in UNLIKE)]
    newer = " ".join(c for i, c in enumerate(assigned) if i % 499 == 0 or i % 11 == 0 and not 0x13430 <= ord(c) < 0x14400 and ord(c) < 0x20000)
    cases.append([newer, [[pattern, found(pattern, newer)] for pattern in every]])
    path = pathlib.Path(__file__).resolve().parent.parent / "tests/text/data/regex.json"
    path.write_text(json.dumps(cases, ensure_ascii=False, separators=(",", ":")) + "\n")
    print(sum(len(rows) for _, rows in cases), "patterns")


if __name__ == "__main__":
    main()
