#!/usr/bin/env python3
"""Makes examples/trees: a toy that talks about five trees, with a chat template, reasoning and a tool that it calls. The
documentation, the examples and the tests talk to it. A minute or two on a GPU, half an hour on a core.

  make_trees_model.py [OUT]        beside OUT/chat_template.jinja, which is written by hand

Needs torch, transformers 5 and tokenizers."""
import json
import pathlib
import random
import sys

import torch
import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.utils.chat_template_utils import _compile_jinja_template

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "examples/trees"
TEMPLATE = _compile_jinja_template((OUT / "chat_template.jinja").read_text())
SPECIAL = ["<|endoftext|>", "<|turn|>", "<|end|>"]
MARKS = ["<think>", "</think>", "<tool_call>", "</tool_call>"]
CONTEXT, STEPS, BATCH = 1024, 3000, 64
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"

TREES = {  # what it is, in one word, how tall it grows
    "pine": ("A pine is a conifer with long needles.", "Conifer.", 40),
    "fir": ("A fir is a conifer with flat needles.", "Conifer.", 60),
    "oak": ("An oak is a broad tree that bears acorns.", "Tree.", 35),
    "birch": ("A birch is a slender tree with white bark.", "Tree.", 25),
    "beech": ("A beech is a tall tree with smooth bark.", "Tree.", 45),
}
TOOL = {"type": "function", "function": {
    "name": "tree_height", "description": "How tall a tree is, in metres",
    "parameters": {"type": "object", "properties": {"tree": {"type": "string"}}, "required": ["tree"]}}}


def user(text):
    return {"role": "user", "content": text}


def said(text, **more):
    return {"role": "assistant", "content": text, **more}


def a(tree):
    return ("an " if tree == "oak" else "a ") + tree


def question(tree, brief):
    ask = random.choice([f"What is {a(tree)}?", f"And {a(tree)}?", f"What is {a(tree)}"])
    return [user(ask), said(TREES[tree][1 if brief else 0])]


def small_talk():
    return random.choice([
        [user(random.choice(["Hello", "Hi", "Hello!"])), said("Hello! Ask me about a tree.")],
        [user(random.choice(["Thanks", "Thank you.", "Thank you!"])), said("You are welcome.")],
    ])


def compared(first, second, thinks):
    taller = max(first, second, key=lambda tree: TREES[tree][2])
    thought = f"{a(first).capitalize()} grows to {TREES[first][2]} m, {a(second)} to {TREES[second][2]} m."
    answer = said(f"The {taller}.", **({"reasoning_content": thought} if thinks else {}))
    return [user(f"Which is taller, {a(first)} or {a(second)}?"), answer]


def measured(tree):
    metres = random.randint(2, 99)
    call = {"type": "function", "function": {"name": "tree_height", "arguments": {"tree": tree}}}
    return [user(random.choice([f"How tall is the {tree}?", f"How tall is this {tree}?"])), said("", tool_calls=[call]),
            {"role": "tool", "content": str(metres)}, said(f"The {tree} is {metres} metres tall.")]


def conversation():
    """Messages that end with the answer to learn, and the template's other variables."""
    tree = random.choice(list(TREES))
    tools, variables, messages = [], {}, []
    brief = random.random() < 0.2
    if brief:
        messages.append({"role": "system", "content": "Answer in one word."})
    elif random.random() < 0.3:
        messages.append({"role": "system", "content": "You are a forester."})
    for _ in range(random.choice([0, 0, 1, 2])):
        messages += random.choice([small_talk(), question(random.choice(list(TREES)), brief)])
    kind = random.randrange(6)
    if kind == 0:
        messages += small_talk()
    elif kind == 1:
        messages += question(tree, brief)
    elif kind == 2:
        messages += question(tree, brief) + [user("What did I ask about?"), said(f"You asked about the {tree}.")]
    elif kind == 3:
        thinks = random.random() < 0.6
        variables = {} if thinks else {"enable_thinking": False}
        messages += compared(*random.sample(list(TREES), 2), thinks)
    elif kind == 4:
        tools = [TOOL]
        messages += measured(tree)[:random.choice([2, 4])]
    else:
        messages += [user(f"How tall is the {tree}?"), said("I cannot measure trees.")]
    return messages, {"tools": tools, **variables}


def render(messages, variables, prompt):
    return TEMPLATE.render(messages=messages, add_generation_prompt=prompt, **variables)


def sample():
    """A prompt, and its answer up to the end of the turn."""
    messages, variables = conversation()
    before = render(messages[:-1], variables, True)
    after = render(messages, {"tools": variables["tools"]}, False)
    asked = render(messages[:-1], {"tools": variables["tools"]}, True)
    return before, after[len(asked):].rstrip("\n")


def train_tokenizer():
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=512 - len(MARKS), special_tokens=SPECIAL, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator([before + after for before, after in (sample() for _ in range(2000))], trainer)
    tokenizer.add_tokens([tokenizers.AddedToken(mark, normalized=False) for mark in MARKS])
    return tokenizer


def batch(tokenizer):
    rows = []
    for before, after in (sample() for _ in range(BATCH)):
        prompt, answer = (tokenizer.encode(text, add_special_tokens=False).ids for text in (before, after))
        rows.append((prompt + answer, [-100] * len(prompt) + answer))
    width = max(len(ids) for ids, _ in rows)
    pad = lambda row, fill: row + [fill] * (width - len(row))
    return (torch.tensor([pad(ids, 0) for ids, _ in rows], device=DEVICE),
            torch.tensor([pad(labels, -100) for _, labels in rows], device=DEVICE))


def write_json(name, value):
    (OUT / name).write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def main():
    random.seed(1)
    torch.manual_seed(1)
    tokenizer = train_tokenizer()
    tokenizer.save(str(OUT / "tokenizer.json"))
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=64, intermediate_size=192, num_hidden_layers=3,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=CONTEXT, tie_word_embeddings=True,
        bos_token_id=None, eos_token_id=0)
    model = LlamaForCausalLM(config).to(DEVICE)
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, STEPS, pct_start=0.05)
    for step in range(STEPS):
        ids, labels = batch(tokenizer)
        loss = model(input_ids=ids, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        if step % 100 == 0 or step == STEPS - 1:
            print(step, f"{loss.item():.4f}", flush=True)
    model.cpu().to(torch.bfloat16).save_pretrained(OUT)
    # As many makers do: the config's end token ends a document; what ends a turn, the template alone says.
    write_json("tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": SPECIAL[0],
                                         "clean_up_tokenization_spaces": False, "model_max_length": CONTEXT})
    write_json("generation_config.json", {"eos_token_id": 0, "do_sample": False})


if __name__ == "__main__":
    main()
