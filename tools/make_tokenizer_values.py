#!/usr/bin/env python3
"""Makes tests/text/data/values.json: single points on which tokenizers were found to differ, with what the references make of
them. Needs tokenizers, transformers and sentencepiece (made with 0.23.3, 5.18 and 0.2.2). Deterministic. The test is
tests/text/values_test.cpp.

json            tokenizer.json files, texts, their ids, and what the ids decode to without and with special tokens
sentencepiece   SentencePiece models (by the name of their fixture, or in base64) with a tokenizer_config.json, and the same
"""
import base64
import json
import pathlib
import random
import tempfile

import sentencepiece
import transformers
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers

DATA = pathlib.Path(__file__).resolve().parent.parent / "tests/text/data"
LETTERS = "abcdefghijklmnopqrstuvwxyzABé ▁<>\u0301가각\n\t"


def letters(normalizer=None, pre_tokenizer=None, tokens=()):
    """A tokenizer whose tokens are single letters."""
    vocab = {letter: i for i, letter in enumerate(LETTERS)}
    vocab["[UNK]"] = len(vocab)
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[], unk_token="[UNK]"))
    tokenizer.decoder = decoders.Fuse()
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    if pre_tokenizer is not None:
        tokenizer.pre_tokenizer = pre_tokenizer
    for token in tokens:
        (tokenizer.add_special_tokens if token.special else tokenizer.add_tokens)([token])
    return tokenizer


def json_tokenizers():
    N = normalizers
    first = pre_tokenizers.Metaspace(prepend_scheme="first")
    composed = ["e\u0301", "e\u0301a", "ae\u0301", "\u1100\u1161", "\u1100\u1161\u11a8a", "", "é", "x e\u0301"]
    for name, steps in {"NFC NFC": [N.NFC(), N.NFC()], "NFD NFC NFKC": [N.NFD(), N.NFC(), N.NFKC()],
                        "NFC Lowercase NFD NFC": [N.NFC(), N.Lowercase(), N.NFD(), N.NFC()],
                        "Prepend NFC NFC": [N.Prepend("a"), N.NFC(), N.NFC()]}.items():
        yield name, letters(N.Sequence(steps)), composed
        yield name + " before Metaspace", letters(N.Sequence(steps), first), composed
    spaces = ["a    b", "a   b", "     ", "a b", " a", "a ", "a  <b>  b", "  <b>", "\n \n", "a \n  b"]
    for content in ("  ", " ", "\n"):
        for lstrip in (False, True):
            for rstrip in (False, True):
                token = AddedToken(content, lstrip=lstrip, rstrip=rstrip, normalized=False)
                beside = AddedToken("<b>", lstrip=rstrip, rstrip=lstrip, normalized=False, special=True)
                yield f"{content!r} lstrip {lstrip} rstrip {rstrip}", letters(tokens=[token, beside]), spaces
    for special in (False, True):
        for normalized in (False, True):
            for normalizer in (None, N.Lowercase()):
                tokens = [AddedToken("<A>", special=special, normalized=normalized), AddedToken("<b>", special=True, normalized=False)]
                yield (f"special {special} normalized {normalized} {'lower case' if normalizer else ''}",
                       letters(normalizer, tokens=tokens), ["x<A>y", "x<a>y", "<A><b><a>", "<b>"])
    # Merges that go over each boundary tell where the pieces are.
    pairs = ["a漢", "漢a", "aあ", "あ漢", "漢カ", "a ", " a", "漢 ", " 漢", "аa", "a.", ".a", "漢。", "aα", "а漢"]
    letters_of_pairs = sorted(set("".join(pairs)))
    vocab = {token: i for i, token in enumerate([*letters_of_pairs, *pairs])}
    scripts = Tokenizer(models.BPE(vocab=vocab, merges=[tuple(pair) for pair in pairs]))
    scripts.pre_tokenizer, scripts.decoder = pre_tokenizers.UnicodeScripts(), decoders.Fuse()
    yield "UnicodeScripts", scripts, [" a漢", "a 漢", "  ", "", "漢 a a", "あ漢カ漢", "aаaα", "a.a漢。a", "漢аa", " 漢", "a a.漢 漢"]
    # One special token's normalized spelling is another's content.
    yield ("special spelled as another", letters(N.Lowercase(), tokens=[AddedToken("<A>", normalized=True), AddedToken("<a>", special=True, normalized=False)]),
           ["x<A>y", "x<a>y"])


def ask(tokenizer, texts):
    rows = []
    for text in texts:
        try:
            ids = tokenizer.encode(text, add_special_tokens=False).ids
        except BaseException:  # it panics where tokens that strip on one side lie over each other
            continue
        rows.append({"text": text, "ids": ids, "decoded": tokenizer.decode(ids), "whole": tokenizer.decode(ids, skip_special_tokens=False)})
    return rows


def with_transformers(model, config, texts):
    """The ids of the tokenizer that transformers makes of a tokenizer.model; what they decode to is SentencePiece's affair."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder)
        (path / "tokenizer.model").write_bytes(model)
        (path / "config.json").write_text(json.dumps({"model_type": "llama"}))
        (path / "tokenizer_config.json").write_text(json.dumps(config))
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    rows = []
    for text in texts:
        rows.append({"text": text, "ids": tokenizer.encode(text, add_special_tokens=False)})
    return rows


def ties(seed, letters="ab", user_defined=0.0):
    """A unigram model over two letters in which many segmentations are equally good, but for rounding; so many of its
    pieces are user-defined, and overlap."""
    rng = random.Random(seed)
    model = sentencepiece_model_pb2.ModelProto()
    for piece, kind in (("<unk>", 2), ("<s>", 3), ("</s>", 3)):
        model.pieces.add(piece=piece, score=0, type=kind)
    for length in range(1, 5):
        for bits in range(2**length):
            kind = 4 if length > 1 and user_defined > 0 and rng.random() < user_defined else 1
            model.pieces.add(piece="".join(letters[(bits >> i) & 1] for i in range(length)), type=kind,
                             score=-0.1 * rng.randrange(1, 40) - 3 * length)
    model.trainer_spec.model_type = 1
    model.trainer_spec.vocab_size = len(model.pieces)
    spec = model.normalizer_spec
    spec.name, spec.add_dummy_prefix, spec.remove_extra_whitespaces = "identity", False, False
    return model.SerializeToString(), ["".join(rng.choice(letters) for _ in range(rng.randrange(5, 60))) for _ in range(40)]


def sentencepiece_cases():
    fixture = json.loads((DATA / "llama2.sentencepiece.json").read_text())
    named = {"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    texts = ["hello", "<s>hello", "a<s>b", "a <s> b", "<s> hello", "</s>hello</s>", "<s></s>", "", "hello world<s>hello world", "\nhello"]
    # With legacy, SentencePiece adds its space before another one too, and transformers 5 does not.
    plain = [text for text in texts if "> " not in text]
    for extra in ({}, {"legacy": True}, {"legacy": False}, {"legacy": None}, {"add_prefix_space": False}, {"add_prefix_space": True},
                  {"legacy": True, "add_prefix_space": False}, {"legacy": False, "add_prefix_space": False}):
        config = {**named, **extra}
        yield {"fixture": "llama2", "config": config, "rows": with_transformers(base64.b64decode(fixture["model"]), config, texts if not extra.get("legacy") else plain)}
    x, y = {"content": "<|x|>", "special": True}, {"content": "<|y|>", "special": False}
    texts = ["<unk>", "a<unk>b", "x[PAD]x", "x<|y|>x<|x|>x", "x <|y|> x", "a</s>b"]
    for extra in ({}, {"pad_token": "[PAD]"}, {"added_tokens_decoder": {"900": x, "8": y, "50": {"content": "</s>", "special": True}}},
                  {"added_tokens_decoder": {"700": y, "701": x}, "pad_token": "[PAD]"},
                  {"added_tokens_decoder": {"900": x}, "extra_special_tokens": ["<|y|>"]},
                  {"added_tokens_decoder": {"800": {**y, "lstrip": True}}}):
        config = {**named, **extra}
        yield {"fixture": "llama2", "config": config, "rows": with_transformers(base64.b64decode(fixture["model"]), config, texts)}
    for seed in range(12):
        model, texts = ties(seed) if seed < 6 else ties(seed, "ab" if seed % 2 == 0 else "a\u00e9", 0.15)
        judge = sentencepiece.SentencePieceProcessor(model_proto=model)
        rows = [{"text": text, "ids": judge.encode(text)} for text in texts]
        yield {"model": base64.b64encode(model).decode(), "config": {"add_bos_token": False}, "rows": rows}


def main():
    transformers.logging.set_verbosity_error()
    cases = [{"name": name, "tokenizer": json.loads(t.to_str()), "rows": ask(t, texts)} for name, t, texts in json_tokenizers()]
    values = {"json": cases, "sentencepiece": list(sentencepiece_cases())}
    (DATA / "values.json").write_text(json.dumps(values, ensure_ascii=False, separators=(",", ":")) + "\n")
    print(len(cases), "tokenizer.json,", len(values["sentencepiece"]), "SentencePiece")


if __name__ == "__main__":
    main()
