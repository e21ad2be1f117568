#!/usr/bin/env python3
"""Makes tests/text/data/*.json: small tokenizers and what Hugging Face `tokenizers` makes of hard texts with them.

    python tools/make_tokenizer_fixtures.py                          # the committed fixtures, all but the next line's
    python tools/make_tokenizer_fixtures.py --real DIR --keep 3000   # the first 3000 tokens of real vocabularies
    python tools/make_tokenizer_fixtures.py --real DIR --out OUT     # all of them, for DSTORCH_TOKENIZER_CASES=OUT

--real: the folder `encoders` of the npm package `tiktoken`. Needs: tokenizers, sentencepiece. Deterministic.
"""
import argparse
import base64
import json
import pathlib
import random
import unicodedata

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

ROOT = pathlib.Path(__file__).resolve().parent.parent

CORPUS = """The quick brown fox jumps over the lazy dog. Tokenizers cut text into pieces, and the pieces into tokens.
It's what we've said: they'll do what you'd expect, aren't they? I'M SURE THEY'RE FINE; WE'LL SEE.
def encode(self, text: str) -> list[int]:
    return [self.vocab[token] for token in self.split(text) if token in self.vocab]
for (int i = 0; i < count; ++i) { total += values[i] * 3.14159; }  // sum of 1234567 and 89
<html><body class="main"><p>Hello, world!</p></body></html> {"key": "value", "n": [1, 2, 3]}
Les élèves français mangent des crêpes à Noël. Straße, Übergrößen, naïve café, façade, piñata, señor.
Быстрая коричневая лиса перепрыгивает через ленивую собаку. Привет, мир!
快速的棕色狐狸跳过懒狗。你好，世界！素早い茶色の狐がのろまな犬を飛び越える。こんにちは世界。
안녕하세요 세계. 다람쥐 헌 쳇바퀴에 타고파. مرحبا بالعالم، كيف حالك اليوم؟ שלום עולם.
नमस्ते दुनिया। यह एक परीक्षण है। สวัสดีชาวโลก การทดสอบ 😀😃😄 👍🏽 👨‍👩‍👧‍👦 🇫🇷🇩🇪
"""
LINES = [line + "\n" for line in CORPUS.splitlines()] * 3

GPT2 = r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""
LLAMA3 = r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
U, L = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
TAIL = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
O200K = (rf"[^\r\n\p{{L}}\p{{N}}]?{U}*{L}+{TAIL}|[^\r\n\p{{L}}\p{{N}}]?{U}+{L}*{TAIL}|\p{{N}}{{1,3}}"
         r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
DEEPSEEK = r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""


def hard_texts():
    rng = random.Random(20240229)
    texts = [
        "", " ", "  ", "a", " a", "a ", "Hello, world!", "hello   world", " leading and trailing ", "\n", "\n\n", "\r\n",
        "a\nb\r\nc\rd\te\x0bf\x0cg", " \n \n\n  x", "   \t\t  \n", "tab\tseparated\tvalues\n", "\x00\x01\x02\x7f\x80\x85\x9f",
        "x" * 100, "ab" * 90, " " * 200 + "x", "\n" * 50, "don't DON'T we'Ve I'LL they'RE 's 'S it\u2019s '\u017f 'll'll''s",
        "1 12 123 1234 12345678901234567890 3.14 1,000,000 ½ ² Ⅷ ٣ ๓ 一二三", "snake_case camelCase HTTPServer XMLHttpRequest2 ABCdefGHI",
        "if (x == 0) {\n\treturn -1;\n}\n\n\n// done...!!! ??? ///\n/", "https://example.com/a?b=c&d=%20#frag user@host.org",
        "élève ÉLÈVE e\u0301le\u0300ve ﬁ ﬀ Å Å Å ① ㎏ ｆｕｌｌ ｗｉｄｔｈ", "q\u0323\u0307 q\u0307\u0323 \u0301\u0302 a\u0301\u0302\u0323",
        "가각힣 각 \u1100\u1161\u11a8 \u1161\u11a8", "İstanbul I ı ǅ ǆ ẞ ß ΑΣ Σας ŉ", "Привет, мир! Быстрая лиса ЁЖ ё",
        "你好，世界！素早い茶色の狐。ｶﾞ が ㌀ 𠀀𪚥", "안녕하세요 세계", "مرحبا بالعالم، كَيْفَ ١٢٣", "שָׁלוֹם עולם",
        "नमस्ते दुनिया क़ क\u093c", "สวัสดีชาวโลก", "გამარჯობა ᲒᲐᲛᲐᲠᲯᲝᲑᲐ Ა", "ဗမာ ខ្មែរ ລາວ አማርኛ ᏣᎳᎩ ᐃᓄᒃᑎᑐᑦ ᠮᠣᠩᠭᠣᠯ",
        "👍🏽 👨‍👩‍👧‍👦 🇫🇷🇩🇪 ❤️ ☎︎ 😀😃 🏴󠁧󠁢󠁥󠁮󠁧󠁿 1️⃣", "\u200b\u200c\u200d\u2060\ufeff\u00ad zero\u200bwidth", "\u00a0nbsp\u2003em\u3000ideographic\u1680\u180e\u2028\u2029",
        "\ufffd \ufffe \uffff \U0010ffff \ue000", "a\u0000b", "▁under▁▁score ▁ ▁▁", "ĠtokenĠwithĊalphabet Âł", "<0x41> <0xC3><0xA9> <unk> <s> </s>",
        "<s>Hello</s>", "<|endoftext|>", "a<|endoftext|>b <|endoftext|>  <|endoftext|>", "<|endoftext", "<|im_start|>user\nHi<|im_end|>\n",
        "say <mask> now", "say   <mask>   now", "<mask><mask> <mask>", "word wordy sword word word.", "WORD Word", "<TAG> <tag>", "x<sep>y  <sep>  z",
        "<|a|><|ab|><|abc|>", "  indented\n    more\n\tback", "#include <vector>\nint main() { return 0; }\n", "λx.x ∀∃∈ ∑∫√ ≤≥≠ → ⇒ € £ ¥ © ® ™ ° ±",
        "“quotes” ‘single’ — dash – en … ellipsis «guillemets»", "Zalgo Z̸̛̖̙͙͙͎̖̜̹̽̑͋͝a̶͉͔̅̽l̴̨͎̑g̷̢̛̺o̵̢̪͊", "aﷺb Ǆ ﬃ ẛ̣", "ὈΔΥΣΣΕΎΣ ὀδυσσεύς ᾳ ᾼ ῼ",
    ]
    texts += [line.strip("\n") for line in LINES[:14]] + [CORPUS]
    pool = [chr(c) for c in range(0x20, 0x7f)] * 3 + list("  \n\t'\u0301\u0323éß中の가م") * 4
    wide = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000 and unicodedata.category(chr(c)) != "Cn"
            and unicodedata.category(chr(c)) != "Co"]
    for i in range(40):
        texts.append("".join(rng.choice(pool) if rng.random() < 0.8 else chr(rng.choice(wide)) for _ in range(rng.randrange(1, 40))))
    for i in range(12):
        texts.append("".join(chr(rng.choice(wide)) for _ in range(rng.randrange(1, 24))))
    broken = [b"\xff", b"a\xc3", b"\xe2\x82z", b"\xed\xa0\x80", b"\xf0\x9f\x98", b"ok \xf0\x9f\x98\x80\x80\xc0\xaf end", b"\xf5\xfe"]
    for i in range(6):
        broken.append(bytes(rng.randrange(256) for _ in range(24)))
    return [t.encode() for t in texts] + broken


LONG = [("a", 300000), ("ab c", 60000), ("\u4f60\u597d", 50000), (" ", 200000), ("x\u0301", 20000), ("word ", 40000), ("ab\n", 30000)]


def checksum(ids):
    h = 0
    for i in ids:
        h = (h * 1000003 + i) & 0xFFFFFFFF
    return h


def bpe(alphabet=None, size=480, special=(), pre=None, norm=None, **options):
    """A tokenizer trained on CORPUS. `options` of models.BPE."""
    trainer_options = {k: options[k] for k in ("continuing_subword_prefix", "end_of_word_suffix") if k in options}
    tok = Tokenizer(models.BPE(**options))
    if norm:
        tok.normalizer = norm
    if pre:
        tok.pre_tokenizer = pre
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=list(special), initial_alphabet=alphabet or [], show_progress=False,
                                  **trainer_options)
    tok.train_from_iterator(LINES, trainer)
    return tok


def byte_level(pre, size=600, norm=None, special=("<|endoftext|>",), decoder=None, post=None, **options):
    tok = bpe(pre_tokenizers.ByteLevel.alphabet(), size, special, pre, norm, **options)
    tok.decoder = decoder or decoders.ByteLevel()
    tok.post_processor = post or processors.ByteLevel(trim_offsets=False)
    return tok


def split_then_bytes(pattern, behavior="isolated", invert=False):
    return pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(pattern), behavior, invert=invert),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def template(before, after=()):
    single = " ".join([*(t for t, _ in before), "$A", *(t for t, _ in after)])
    return processors.TemplateProcessing(single=single, special_tokens=[*before, *after])


def llama2(size=900, prepend=True, split=False, **metaspace):
    """SentencePiece's way: spaces are marks, unknown characters are bytes."""
    bytes_ = [f"<0x{b:02X}>" for b in range(256)]
    special = ["<unk>", "<s>", "</s>", *bytes_]
    if metaspace:
        tok = bpe(None, size, special, pre_tokenizers.Metaspace(**metaspace))
    else:
        norm = [normalizers.Prepend("▁")] if prepend else []
        tok = bpe(None, size, special, None, normalizers.Sequence([*norm, normalizers.Replace(" ", "▁")]))
    state = json.loads(tok.to_str())
    state["model"].update(unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    # The bytes are ordinary tokens, and rare characters have none.
    state["added_tokens"] = [t for t in state["added_tokens"] if not t["content"].startswith("<0x")]
    vocab = state["model"]["vocab"]
    rare = {c for c in vocab if len(c) == 1 and ord(c) > 0x3000 and c not in "你好世界。"}
    state["model"]["merges"] = [m for m in state["model"]["merges"] if not (set("".join(m)) & rare)]
    state["model"]["vocab"] = {t: i for t, i in vocab.items() if t.startswith("<") or not (set(t) & rare)}
    tok = Tokenizer.from_str(json.dumps(state))
    if metaspace:
        tok.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace(**{k: v for k, v in metaspace.items() if k != "split"})])
    else:
        tail = [decoders.Strip(" ", 1, 0)] if prepend else []
        tok.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *tail])
    tok.post_processor = template([("<s>", 1)])
    return tok


def with_added(tok, tokens):
    for t in tokens:
        (tok.add_special_tokens if t.special else tok.add_tokens)([t])
    return tok


def small_tokenizers():
    P, N, D = pre_tokenizers, normalizers, decoders
    yield "gpt2", byte_level(P.ByteLevel(add_prefix_space=False))
    llama3 = byte_level(split_then_bytes(LLAMA3), special=("<|begin_of_text|>", "<|end_of_text|>", "<|endoftext|>"), ignore_merges=True,
                        post=processors.Sequence([processors.ByteLevel(trim_offsets=False), template([("<|begin_of_text|>", 0)])]))
    yield "llama3", llama3
    yield "qwen2", with_added(byte_level(split_then_bytes(QWEN2), norm=N.NFC()), [
        AddedToken("<|im_start|>", special=True, normalized=False), AddedToken("<|im_end|>", special=True, normalized=False)])
    yield "o200k", byte_level(split_then_bytes(O200K, "removed", True))
    yield "smollm", byte_level(P.Sequence([P.Digits(individual_digits=True), P.ByteLevel(add_prefix_space=False, use_regex=True)]))
    yield "deepseek", byte_level(P.Sequence([P.Split(Regex(r"\p{N}{1,3}"), "isolated"), P.Split(Regex("[一-龥぀-ゟ゠-ヿ]+"), "isolated"),
                                             P.Split(Regex(DEEPSEEK), "isolated"), P.ByteLevel(add_prefix_space=False, use_regex=False)]))
    roberta = byte_level(P.ByteLevel(add_prefix_space=True), special=("<s>", "</s>", "<unk>", "<mask>"),
                         post=processors.RobertaProcessing(("</s>", 1), ("<s>", 0)))
    yield "roberta", with_added(roberta, [AddedToken("<mask>", lstrip=True, special=True, normalized=False)])
    yield "llama2", llama2()
    yield "llama2_no_prefix", llama2(prepend=False)
    yield "mistral", llama2(replacement="▁", prepend_scheme="first", split=False)
    yield "metaspace_always", with_added(llama2(replacement="▁", prepend_scheme="always", split=True), [AddedToken("<sep>", rstrip=True, normalized=False)])
    yield "metaspace_never", llama2(replacement="▁", prepend_scheme="never", split=True)
    yield "metaspace_first_split", with_added(llama2(replacement="▁", prepend_scheme="first", split=True), [AddedToken("<sep>", lstrip=True, rstrip=True)])

    # One feature each.
    tok = bpe(None, 400, ["<unk>"], P.Whitespace(), N.Sequence([N.NFKD(), N.StripAccents(), N.Lowercase()]), unk_token="<unk>")
    yield "nfkd_lower_whitespace", tok
    tok = bpe(None, 400, ["<unk>"], P.WhitespaceSplit(), N.Sequence([N.NFKC(), N.Strip()]), unk_token="<unk>", fuse_unk=True, end_of_word_suffix="</w>")
    tok.decoder = D.BPEDecoder("</w>")
    yield "nfkc_suffix_fuse_unk", tok
    tok = bpe(None, 400, ["[UNK]", "[CLS]", "[SEP]"], P.BertPreTokenizer(), N.Sequence([N.NFD(), N.Lowercase(), N.StripAccents()]), unk_token="[UNK]",
              continuing_subword_prefix="##")
    tok.decoder = D.WordPiece("##", True)
    tok.post_processor = processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    yield "prefix_bert", tok
    tok = bpe(None, 350, [], P.Sequence([P.Punctuation("merged_with_previous"), P.Digits(individual_digits=False)]), N.Strip(left=True, right=False))
    tok.decoder = D.Fuse()
    yield "punctuation_digits_no_unk", tok
    for behavior in ("removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"):
        for invert in (False, True):
            tok = bpe(None, 300, ["<unk>"], P.Split(Regex(r"[\s\-]|\d{2}"), behavior, invert=invert), None, unk_token="<unk>")
            tok.decoder = D.Sequence([D.Strip("a", 1, 0), D.Replace(Regex("[xyz]+"), "-")])
            yield f"split_{behavior}{'_invert' if invert else ''}", tok
    tok = bpe(None, 300, ["<unk>"], P.Sequence([P.Split(" ", "merged_with_next"), P.Punctuation("contiguous")]),
              N.Sequence([N.Replace(Regex(r"\s+"), " "), N.Replace("ll", "L·"), N.Prepend("^")]), unk_token="<unk>")
    tok.decoder = D.Sequence([D.Replace("·", "l"), D.Fuse(), D.Strip("^", 1, 0)])
    yield "replace_prepend", tok
    flags = byte_level(P.ByteLevel(add_prefix_space=False), norm=N.Lowercase())
    yield "added_flags", with_added(flags, [
        AddedToken("word", single_word=True), AddedToken("<TAG>", normalized=True), AddedToken("<mask>", lstrip=True, normalized=False),
        AddedToken("<sep>", rstrip=True, normalized=False, special=True), AddedToken("<|a|>", special=True, normalized=False),
        AddedToken("<|a|><|ab|>", special=True, normalized=False), AddedToken("<|ab|>", lstrip=True, rstrip=True, special=True), AddedToken("  ", normalized=False)])
    tok = byte_level(P.Sequence([P.Split(Regex(r"(?<=\w)\b|[^\s&&[^\n]]+|(?m:x.y)|\h{4}"), "isolated"), P.ByteLevel(add_prefix_space=True, use_regex=True)]))
    yield "odd_regex", tok
    tok = bpe(P.ByteLevel.alphabet(), 400, ["<|endoftext|>"], P.Split(Regex(r"Ġ?[^Ġ]+|Ġ+"), "isolated"), N.ByteLevel())
    tok.decoder = D.ByteLevel()
    yield "byte_level_normalizer", tok
    tok = bpe(None, 300, ["<unk>"], P.Sequence([P.ByteLevel(add_prefix_space=True), P.Metaspace()]), N.Nmt(), unk_token="<unk>")
    yield "no_decoder_byte_level_first", tok


def from_tiktoken(path, keep=None):
    """A byte-level BPE with tiktoken's ranks: the merges follow from them."""
    data = json.loads(path.read_text())
    ranks = {}
    for line in data["bpe_ranks"].split("\n"):
        parts = line.split()
        if parts:
            for i, token in enumerate(parts[2:]):
                ranks[base64.b64decode(token)] = int(parts[1]) + i
    if keep:
        ranks = {token: rank for token, rank in ranks.items() if rank < keep}
    alphabet = byte_alphabet()
    spell = lambda b: "".join(alphabet[x] for x in b)
    merges = []
    for token, rank in sorted(ranks.items(), key=lambda item: item[1]):
        if len(token) == 1:
            continue
        parts = [bytes([b]) for b in token]
        while len(parts) > 2:
            best = min(range(len(parts) - 1), key=lambda i: ranks.get(parts[i] + parts[i + 1], 1 << 30))
            if ranks.get(parts[best] + parts[best + 1], 1 << 30) >= rank:
                break
            parts[best:best + 2] = [parts[best] + parts[best + 1]]
        if len(parts) == 2:
            merges.append((spell(parts[0]), spell(parts[1])))
    vocab = {spell(token): rank for token, rank in ranks.items()}
    tok = Tokenizer(models.BPE(vocab, merges, ignore_merges=keep is None and "r50k" not in path.name))
    pattern = data["pat_str"]
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False) if pattern == GPT2 else split_then_bytes(pattern)
    tok.decoder = decoders.ByteLevel()
    tok.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in sorted(data["special_tokens"], key=data["special_tokens"].get)])
    return tok


def byte_alphabet():
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    out, extra = {}, 0
    for b in range(256):
        out[b] = chr(b) if b in printable else chr(256 + extra)
        extra += b not in printable
    return out


def cases(tok, texts):
    """Everything the test checks, with `tok` as the judge."""
    def decoded(ids):
        return [tok.decode(ids, skip_special_tokens=True), tok.decode(ids, skip_special_tokens=False)]

    out = {"ids": [], "plain_ids": [], "decoded": [], "random_ids": [], "random_decoded": [], "long": []}
    for raw in texts:
        text = raw.decode("utf-8", errors="replace")
        ids = tok.encode(text).ids
        tok.encode_special_tokens = True
        plain = tok.encode(text, add_special_tokens=False).ids
        tok.encode_special_tokens = False
        out["ids"].append(ids)
        out["plain_ids"].append(None if plain == ids else plain)
        both = decoded(ids)
        out["decoded"].append(None if both == [text, text] else both if both[0] != both[1] else both[:1])
    known = sorted(set(tok.get_vocab(with_added_tokens=True).values()))
    rng = random.Random(11)
    for _ in range(20):
        ids = rng.choices(known, k=rng.randrange(1, 24))
        out["random_ids"].append(ids)
        out["random_decoded"].append(decoded(ids))
    for unit, times in LONG:
        ids = tok.encode(unit * times).ids
        out["long"].append({"unit": unit, "times": times, "count": len(ids), "checksum": checksum(ids)})
    return out


def sentencepiece_cases(texts):
    """SentencePiece models, and what SentencePiece itself makes of the texts."""
    import io
    import tempfile

    import sentencepiece

    def train(**options):
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(LINES), model_writer=model, minloglevel=2, num_threads=1, **options)
        return model.getvalue()

    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as rules:
        rules.write("FF21\t41\nC4\t41 65\n2460\t31\n")
        rules.flush()
        models = {
            "llama2": train(model_type="bpe", vocab_size=700, byte_fallback=True, normalization_rule_name="identity", split_digits=True,
                            character_coverage=0.98, remove_extra_whitespaces=False, allow_whitespace_only_pieces=True),
            "unigram": train(model_type="unigram", vocab_size=500, normalization_rule_name="identity", hard_vocab_limit=False,
                             user_defined_symbols=["<sep>", "fox"]),
            "rules": train(model_type="bpe", vocab_size=500, normalization_rule_tsv=rules.name, add_dummy_prefix=False, bos_id=-1, eos_id=-1),
        }
    for name, model in models.items():
        sp = sentencepiece.SentencePieceProcessor(model_proto=model)
        rng = random.Random(5)
        ids = [sp.encode(t.decode("utf-8", errors="replace")) for t in texts]
        # Control pieces are no text for SentencePiece; dstorch shows them when asked to.
        known = [i for i in range(sp.get_piece_size()) if not sp.is_control(i)]
        random_ids = [rng.choices(known, k=rng.randrange(1, 24)) for _ in range(40)]
        long = [(unit, times, sp.encode(unit * times)) for unit, times in LONG]
        yield name, {"model": base64.b64encode(model).decode(), "bos": sp.bos_id(), "ids": ids, "decoded": [sp.decode(i) for i in ids],
                     "random_ids": random_ids, "random_decoded": [sp.decode(i) for i in random_ids],
                     "long": [{"unit": u, "times": t, "count": len(i), "checksum": checksum(i)} for u, t, i in long]}


def write(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--real", type=pathlib.Path)
    args.add_argument("--keep", type=int, help="with --real: only each vocabulary's first tokens, few enough to commit")
    args.add_argument("--out", type=pathlib.Path, default=ROOT / "tests/text/data")
    args = args.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    texts = hard_texts()
    if args.real and args.keep:
        tokenizers = ((f"{name}_first_{args.keep}", from_tiktoken(args.real / f"{name}_base.json", args.keep)) for name in ("r50k", "cl100k", "o200k"))
    elif args.real:
        corpus = sorted(ROOT.glob("src/**/*.cpp"))[:40]
        texts += [p.read_bytes() for p in corpus]
        tokenizers = ((name, from_tiktoken(args.real / f"{name}.json")) for name in ("r50k_base", "cl100k_base", "o200k_base"))
    else:
        tokenizers = small_tokenizers()
    write(args.out / "texts.json", [t.hex() for t in texts])
    for name, tok in tokenizers:
        state = json.loads(tok.to_str())
        # tokenizer.json knows two spellings of merges; half of the files have the older one.
        merges = state["model"]["merges"]
        if len(name) % 2 and not any(" " in part for merge in merges for part in merge):
            state["model"]["merges"] = [" ".join(merge) for merge in merges]
        write(args.out / f"{name}.case.json", {"tokenizer": state, **cases(tok, texts)})
        print(name, tok.get_vocab_size())


    if not args.real:
        for name, case in sentencepiece_cases(texts):
            write(args.out / f"{name}.sentencepiece.json", case)
            print(name, "sentencepiece")


if __name__ == "__main__":
    main()
