"""The fixture with a tokenizer: perplexity, embeddings and text in and out; see make_parity_fixtures.py.

text/model/          a Llama with a byte-level BPE tokenizer, taught the text below a little
text/expected.json   text, ids, nll (of one window), windowed (the same over windows), prompt, answer, embedded
"""
import json
import shutil

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

TEXT = (
    "A mapped file costs nothing until it is read. The first page that is touched comes from the disk, the next ones "
    "come ahead of time, and a page that nobody wants any more goes without being written. Grüße aus Köln: 12,5 % — "
    "naïve façade, Ελλάδα, 世界 🙂.\n\nSo a model of two gigabytes opens at once:\n\n    weights = map(path);\n\n"
    "and what a program never asks for, it never pays for."
)
WINDOW = 64


def train_tokenizer():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=320, special_tokens=["<|endoftext|>"], show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator([TEXT], trainer)
    return tokenizer


def nll_of(model, ids, start):
    """Sum over ids[start:] of -log p given what is before them in `ids`."""
    with torch.no_grad():
        logits = model(torch.tensor([ids]), use_cache=False).logits[0].double()
    return float(torch.nn.functional.cross_entropy(logits[start - 1:-1], torch.tensor(ids[start:]), reduction="sum"))


def windowed_nll(model, ids, window):
    """Windows of `window` ids; each after the first scores its second half, with its first half as context."""
    total = nll_of(model, ids[:window], 1)
    half = window // 2
    for end in range(window, len(ids), half):
        begin = end - half
        total += nll_of(model, ids[begin:end + half], half)
    return total


def make_text(folder):
    shutil.rmtree(folder, ignore_errors=True)
    tokenizer = train_tokenizer()
    ids = tokenizer.encode(TEXT).ids
    torch.manual_seed(11)
    config = transformers.LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=24, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=3, num_key_value_heads=1, max_position_embeddings=512, initializer_range=0.2,
        tie_word_embeddings=True, bos_token_id=0, eos_token_id=0)
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(45):
        loss = model(torch.tensor([ids]), labels=torch.tensor([ids])).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.save_pretrained(folder / "model")
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>").save_pretrained(
        folder / "model")

    prompt = "A mapped file costs"
    prompt_ids = tokenizer.encode(prompt).ids
    answer = list(prompt_ids)
    with torch.no_grad():
        margins = []
        for _ in range(24):
            last = model(torch.tensor([answer]), use_cache=False).logits[0, -1]
            top = last.topk(2).values
            margins.append(float(top[0] - top[1]))
            answer.append(int(last.argmax()))
        assert min(margins) > 0.02, margins
        hidden = model.model(torch.tensor([prompt_ids])).last_hidden_state[0].mean(0)
    answer = answer[len(prompt_ids):]
    (folder / "expected.json").write_text(json.dumps(dict(
        text=TEXT, ids=ids, nll=nll_of(model, ids, 1), window=WINDOW, windowed_nll=windowed_nll(model, ids, WINDOW),
        prompt=prompt, prompt_ids=prompt_ids, answer_ids=answer, answer=tokenizer.decode(answer),
        embedded=hidden.tolist()), ensure_ascii=False, indent=1) + "\n")
    print(f"text: {len(ids)} ids, {nll_of(model, ids, 1) / (len(ids) - 1):.2f} nats a token; says {tokenizer.decode(answer)!r}")
