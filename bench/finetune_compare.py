#!/usr/bin/env python3
"""Fine-tuning a model of 135 million weights: dstorch and PyTorch's own eager loop (with peft for LoRA), taking turns.

    python bench/finetune_compare.py DSTORCH [--rounds 3] [--steps 6] [--threads 2] [--ways lora full checkpointing]

DSTORCH: the built command. Needs torch, transformers, peft and safetensors. Both train in bfloat16 (autocast; what is
trained is float32) on 4 sequences of 256 tokens, AdamW, gradients clipped. Prints for each way tokens/s (the median of
the steps but the first, of all rounds), the largest resident memory, and for dstorch the most bytes of tensors.
"""
import argparse
import json
import pathlib
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

BATCH, LENGTH = 4, 256
ROOT = pathlib.Path(__file__).parent.parent


def make_model(folder):
    import torch
    import transformers
    shape = json.loads((ROOT / "bench/shapes/llama-135m.json").read_text())
    shape.pop("torch_dtype", None)
    torch.manual_seed(0)
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**{k: v for k, v in shape.items() if k != "model_type"}))
    model.to(torch.bfloat16).save_pretrained(folder / "model")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(ROOT / "models/default" / name, folder / "model" / name)
    words = (ROOT / "tests/data/held-out-packages.tsv").read_text().split()
    (folder / "data.txt").write_text(" ".join(words * 4))


def ours(args, folder, way):
    output = folder / "output"
    shutil.rmtree(output, ignore_errors=True)
    command = [args.dstorch, "finetune", "-m", folder / "model", "--data", folder / "data.txt", "-o", output,
               "--steps", str(args.steps), "--batch-size", str(BATCH), "--sequence-length", str(LENGTH + 1),
               "--bf16", "on", "--threads", str(args.threads), "--held-out-fraction", "0", "--save-every", "0",
               "--warmup", "0"]
    command += {"lora": [], "full": ["--full"], "checkpointing": ["--checkpointing"]}[way]
    done = subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True)
    lines = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    means = [BATCH * LENGTH / line["tokens_per_second"] for line in lines if line["step"] > 0]
    seconds = [(i + 1) * means[i] - i * means[i - 1] for i in range(1, len(means))]
    tensors = re.search(r"at most ([0-9.]+ [KMG]iB) of tensors", done.stderr)
    return seconds, tensors.group(1) if tensors else "?"


def theirs(args, folder, way):
    """In a process of its own, so that its memory is its own."""
    command = [sys.executable, __file__, "--theirs", way, "--model", folder / "model", "--steps", args.steps, "--threads",
               args.threads, "-"]
    return json.loads(subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True).stdout)


def run_theirs(args):
    import torch
    import transformers
    from peft import LoraConfig, get_peft_model
    torch.set_num_threads(args.threads)
    lora = args.theirs != "full"
    model = transformers.AutoModelForCausalLM.from_pretrained(
        args.model, dtype=torch.bfloat16 if lora else torch.float32)
    model.config.use_cache = False
    if args.theirs == "checkpointing":
        model.gradient_checkpointing_enable()
        model.enable_input_require_grads()
    if lora:
        model = get_peft_model(model, LoraConfig(r=16, lora_alpha=32, target_modules="all-linear"))
    model.train()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4)
    seconds = []
    for _ in range(args.steps):
        tokens = torch.randint(0, 4096, (BATCH, LENGTH + 1))
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(input_ids=tokens[:, :-1]).logits
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1).float(), tokens[:, 1:].flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"seconds": seconds[1:], "rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("dstorch")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--ways", nargs="*", default=["lora", "full", "checkpointing"])
    parser.add_argument("--theirs", help=argparse.SUPPRESS)
    parser.add_argument("--model", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.theirs:
        run_theirs(args)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        make_model(folder)
        for way in args.ways:
            our_seconds, their_seconds, rss, tensors = [], [], 0, "?"
            for _ in range(args.rounds):
                seconds, tensors = ours(args, folder, way)
                our_seconds += seconds
                found = theirs(args, folder, way)
                their_seconds += found["seconds"]
                rss = max(rss, found["rss"])
            speeds = [BATCH * LENGTH / statistics.median(s) for s in (our_seconds, their_seconds)]
            print(f"{way}: dstorch {speeds[0]:.0f} tokens/s, tensors {tensors}; PyTorch {speeds[1]:.0f} tokens/s, "
                  f"resident {rss / 2**20:.2f} GiB; ratio {speeds[0] / speeds[1]:.2f}", flush=True)


if __name__ == "__main__":
    main()
