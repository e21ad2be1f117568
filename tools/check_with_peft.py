#!/usr/bin/env python3
"""Whether Python reads what dstorch writes.

    python3 tools/check_with_peft.py DSTORCH

DSTORCH: the built command. Needs torch, transformers, peft and safetensors. Fine-tunes with dstorch, loads the adapter with
peft, and compares the logits after a prompt: dstorch with the adapter, peft with the adapter, dstorch's merged directory
and .pt in transformers.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import torch
import transformers
from peft import PeftModel

ROOT = pathlib.Path(__file__).parent.parent
MODELS = [ROOT / "models/default", ROOT / "tests/parity/fixtures/text/model"]
PROMPT = [5, 17, 33, 60, 102]


def run(dstorch, *words):
    return subprocess.run([dstorch, *map(str, words)], check=True, capture_output=True, text=True).stdout


def logits(dstorch, *words):
    ids = ",".join(map(str, PROMPT))
    return torch.tensor(json.loads(run(dstorch, "logits", "--ids", ids, "--dtype", "float32", "--json", *words))["logits"])


@torch.no_grad()
def theirs(model):
    return model.eval()(input_ids=torch.tensor([PROMPT])).logits[0, -1].float()


def compare(name, got, wanted):
    difference = float((got - wanted).abs().max() / wanted.abs().max())
    print(f"  {name}: {difference:.1e} of the largest logit")
    assert difference < 1e-4, name


def check(dstorch, model, folder, options):
    data = folder / "data.jsonl"
    data.write_text("\n".join(json.dumps({"prompt": f"thing {i} is", "completion": f" number {i}"}) for i in range(20)))
    adapter, merged, state_dict = folder / "adapter", folder / "merged", folder / "merged.pt"
    run(dstorch, "finetune", "-m", model, "--data", data, "-o", adapter, "--steps", 20, "--lr", "1e-2", "--bf16", "off",
        *options)
    run(dstorch, "merge", "-m", model, "--adapter", adapter, "-o", merged, "--dtype", "float32")
    run(dstorch, "merge", "-m", model, "--adapter", adapter, "-o", state_dict, "--dtype", "float32")
    load = transformers.AutoModelForCausalLM.from_pretrained
    base = load(model, dtype=torch.float32)
    plain = theirs(base)
    wanted = theirs(PeftModel.from_pretrained(base, adapter))
    assert float((wanted - plain).abs().max()) > 0.01, "nothing was learned"
    compare("dstorch with the adapter", logits(dstorch, "-m", model, "--adapter", adapter), wanted)
    compare("the merged directory in dstorch", logits(dstorch, "-m", merged), wanted)
    compare("the merged directory in transformers", theirs(load(merged, dtype=torch.float32)), wanted)
    fresh = transformers.AutoModelForCausalLM.from_config(transformers.AutoConfig.from_pretrained(model)).float()
    fresh.load_state_dict(torch.load(state_dict, weights_only=True))
    compare("the merged .pt in PyTorch", theirs(fresh), wanted)


def main():
    for model in MODELS:
        for options in ([], ["--rslora", "--lora-targets", "q_proj", "down_proj"]):
            print(model.relative_to(ROOT), *options)
            with tempfile.TemporaryDirectory() as folder:
                check(sys.argv[1], model, pathlib.Path(folder), options)


if __name__ == "__main__":
    main()
