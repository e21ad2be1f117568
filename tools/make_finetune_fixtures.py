#!/usr/bin/env python3
"""Makes tests/data/finetune: what PyTorch, Hugging Face transformers and peft make of fine-tuning the tiny models of
tests/parity/fixtures, in full and with LoRA.

    python3 tools/make_finetune_fixtures.py [--out tests/data/finetune] [NAME ...]

Needs torch, transformers, peft and safetensors (made with 2.13, 5.18, 0.21 and 0.8); the tests read only what it writes.

A fixture is a folder named as its model in tests/parity/fixtures:
  adapter/              as peft's save_pretrained writes it; both of each pair of matrices are random
  trained/              the same adapter after the ten steps
  expected.json         the examples ({"ids", "learned_from"}: the loss is of the ids from there on), what each step
                        learns from (lists of examples), rates, and the losses and gradient norms of the ten steps
  expected.safetensors  prompt_logits [vocab] with the adapter, merged_logits [vocab] of peft's merged model;
                        full:NAME and lora:NAME, the gradients of the first step
A folder with "_classes" after the name is of the model as transformers' classifier of three classes, its examples
{"ids", "label"}; expected.safetensors also has the head before the first step, `score` [classes, hidden], and the logits
are one a class.
The examples of a step have different lengths and go through the model one by one, so that nothing is padded; their
losses are divided by the number of all tokens of the step that are learned. Models are in evaluation mode: GPT-2 has
dropout of its own otherwise.
"""
import argparse
import json
import pathlib
import shutil

import torch
import transformers
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file

ROOT = pathlib.Path(__file__).parent.parent
MODELS = ROOT / "tests" / "parity" / "fixtures"
STEPS, CLIP, PEAK, WARMUP = 10, 1.0, 5e-3, 3
BETAS, EPS, DECAY = (0.9, 0.999), 1e-8, 0.01

# What of LoRA's configuration each shows.
ADAPTERS = {
    "llama": dict(target_modules="all-linear", use_rslora=True, rank_pattern={"q_proj": 2, "layers.1.mlp.down_proj": 6},
                  alpha_pattern={"up_proj": 3}),
    "llama_linear_rope": dict(target_modules=["embed_tokens", "lm_head", "v_proj"]),
    "llama_biases": dict(target_modules=["q_proj", "v_proj", "up_proj", "o_proj"]),
    "mistral": dict(target_modules=r".*\.(self_attn\.[qv]|mlp\.down)_proj"),
    "qwen2": dict(target_modules=["k_proj", "gate_proj", "down_proj"], layers_to_transform=[1]),
    "qwen3": dict(target_modules="all-linear", exclude_modules=["o_proj"]),
    "smollm2": dict(target_modules="all-linear"),
    "smollm3": dict(target_modules=["q_proj", "k_proj", "v_proj", "o_proj"]),
    "gpt2": dict(target_modules=["c_attn", "c_proj", "c_fc"], fan_in_fan_out=True),
    "gpt2_variants": dict(target_modules=["c_attn"], fan_in_fan_out=True, use_rslora=True),
    "gemma2": dict(target_modules=["q_proj", "o_proj", "up_proj", "down_proj"]),
    "gemma3": dict(target_modules="all-linear"),
    "phi3": dict(target_modules="all-linear"),
    "phi3_longrope": dict(target_modules=["o_proj", "down_proj"]),
    "olmo2": dict(target_modules="all-linear"),
    "granite": dict(target_modules="all-linear"),
    "gpt_neox": dict(target_modules="all-linear"),
    "gpt_neox_one_by_one": dict(target_modules=["query_key_value", "dense_4h_to_h"]),
    "gemma3_variants": dict(target_modules=["embed_tokens", "o_proj", "down_proj", "k_proj"]),
}

# The same for classifiers, whose head peft trains whole.
CLASSIFIERS = {
    "llama": dict(target_modules="all-linear"),
    "gpt2": dict(target_modules=["c_attn", "c_fc"], fan_in_fan_out=True),
}
CLASSES = ["kernel", "libs", "python"]


def rate(step):
    """Linear warm-up, then linear to 0 at the last step."""
    if step < WARMUP:
        return PEAK * (step + 1) / WARMUP
    return PEAK * (1 - (step + 1 - WARMUP) / (STEPS - WARMUP))


def load(name, classes):
    kind = transformers.AutoModelForSequenceClassification if classes else transformers.AutoModelForCausalLM
    named = dict(id2label=dict(enumerate(CLASSES)), label2id={c: i for i, c in enumerate(CLASSES)}) if classes else {}
    torch.manual_seed(sum(map(ord, name)))
    return kind.from_pretrained(MODELS / name / "model", dtype=torch.float32, attn_implementation="eager", **named).eval()


def learned_count(example):
    return 1 if "label" in example else len(example["ids"]) - example["learned_from"]


def loss_of(model, examples, chosen):
    learned = sum(learned_count(examples[i]) for i in chosen)
    total = 0
    for i in chosen:
        ids = torch.tensor(examples[i]["ids"])
        if "label" in examples[i]:
            logits = model(input_ids=ids[None]).logits  # [1, classes]
            total = total + torch.nn.functional.cross_entropy(logits, torch.tensor([examples[i]["label"]]))
            continue
        start = examples[i]["learned_from"]
        logits = model(input_ids=ids[None, :-1]).logits[0]
        total = total + torch.nn.functional.cross_entropy(logits[start - 1:], ids[start:], reduction="sum")
    return total / learned


def short_name(name, model):
    """As checkpoints have it; transformers gives GPT-NeoX's head another name in memory."""
    for part in ("base_model.model.", ".modules_to_save", ".default"):
        name = name.replace(part, "")
    return name.replace("lm_head.", "embed_out.") if model.config.model_type == "gpt_neox" else name


def run(model, examples, order, prefix, tensors, decays):
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    optimizer = torch.optim.AdamW(
        [{"params": [p for n, p in trained.items() if decays(n, p)], "weight_decay": DECAY},
         {"params": [p for n, p in trained.items() if not decays(n, p)], "weight_decay": 0.0}],
        lr=PEAK, betas=BETAS, eps=EPS)
    losses, norms = [], []
    for step, chosen in enumerate(order):
        loss = loss_of(model, examples, chosen)
        loss.backward()
        if step == 0:
            for name, parameter in trained.items():
                tensors[prefix + short_name(name, model)] = parameter.grad.clone()
        norms.append(float(torch.nn.utils.clip_grad_norm_(trained.values(), CLIP)))
        losses.append(loss.item())
        for group in optimizer.param_groups:
            group["lr"] = rate(step)
        optimizer.step()
        optimizer.zero_grad()
    return losses, norms


def make(name, out, classes=False):
    folder = out / (name + "_classes" if classes else name)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    model = load(name, classes)
    vocab = model.config.vocab_size
    examples = []
    for length in (9, 17, 5, 30, 12, 23, 14, 8):
        ids = torch.randint(3, vocab, (length,)).tolist()
        if classes:
            examples.append({"ids": ids, "label": int(torch.randint(0, len(CLASSES), (1,)))})
        else:
            examples.append({"ids": ids, "learned_from": int(torch.randint(1, length - 2, (1,)))})
    order = [torch.randperm(len(examples))[:5].tolist() for _ in range(STEPS)]
    tensors = {"score": model.score.weight.detach().clone()} if classes else {}
    full_losses, full_norms = run(model, examples, order, "full:", tensors, lambda n, p: p.dim() >= 2)
    model = load(name, classes)
    config = LoraConfig(r=4, lora_alpha=8, task_type="SEQ_CLS" if classes else "CAUSAL_LM",
                        **(CLASSIFIERS if classes else ADAPTERS)[name])
    model = get_peft_model(model, config).eval()
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if parameter.requires_grad:
                parameter.copy_(0.1 * torch.randn(parameter.shape))
    model.peft_config["default"].base_model_name_or_path = name
    model.save_pretrained(folder / "adapter")
    prompt = examples[3]["ids"]

    def last_logits(model):
        with torch.no_grad():
            return model(input_ids=torch.tensor([prompt])).logits.flatten(0, -2)[-1]

    tensors["prompt_logits"] = last_logits(model).clone()
    losses, norms = run(model, examples, order, "lora:", tensors, lambda n, p: True)
    model.save_pretrained(folder / "trained")
    tensors["merged_logits"] = last_logits(model.merge_and_unload()).clone()
    for saved in ("adapter", "trained"):
        (folder / saved / "README.md").unlink(missing_ok=True)
    save_file({k: v.contiguous() for k, v in tensors.items()}, folder / "expected.safetensors")
    (folder / "expected.json").write_text(json.dumps(dict(
        examples=examples, order=order, prompt=prompt, peak=PEAK, warmup_steps=WARMUP, betas=BETAS, eps=EPS,
        weight_decay=DECAY, clip_norm=CLIP, learning_rates=[rate(s) for s in range(STEPS)], full_losses=full_losses,
        full_norms=full_norms, lora_losses=losses, lora_norms=norms)) + "\n")
    print(name, full_losses[0], full_losses[-1], losses[0], losses[-1])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "tests" / "data" / "finetune")
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for name in arguments.names or [*ADAPTERS, *(name + "_classes" for name in CLASSIFIERS)]:
        make(name.removesuffix("_classes"), arguments.out, name.endswith("_classes"))


if __name__ == "__main__":
    main()
