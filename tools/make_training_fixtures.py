"""Makes tests/data/training/: a tiny Llama, the gradients of its first step and the losses of ten AdamW steps, by
PyTorch and Hugging Face transformers. Usage: python tools/make_training_fixtures.py"""

import json
import pathlib

import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

STEPS, BATCH, SEQ = 10, 4, 24
PEAK, MINIMUM, WARMUP, TOTAL = 3e-3, 3e-4, 3, 10
BETAS, EPS, DECAY, CLIP = (0.9, 0.95), 1e-8, 0.1, 1.0


def learning_rate(step):
    if step < WARMUP:
        return PEAK * (step + 1) / WARMUP
    progress = torch.tensor((step + 1 - WARMUP) / (TOTAL - WARMUP), dtype=torch.float64)
    return float(MINIMUM + (PEAK - MINIMUM) * 0.5 * (1 + torch.cos(torch.pi * progress)))


def main():
    out = pathlib.Path(__file__).parent.parent / "tests" / "data" / "training"
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=96, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=64, rms_norm_eps=1e-5, tie_word_embeddings=True,
        initializer_range=0.08, attn_implementation="eager")
    model = LlamaForCausalLM(config).float().train()
    for name, parameter in model.named_parameters():
        if "norm" in name:
            torch.nn.init.normal_(parameter, 1.0, 0.1)
    model.config.to_json_file(out / "config.json", use_diff=False)
    tensors = {"weight:" + n: p.detach().clone() for n, p in model.named_parameters()}
    tokens = torch.randint(0, config.vocab_size, (STEPS, BATCH, SEQ + 1))
    tokens[5:] = tokens[:5]  # Seen twice, so that the second half shows whether learning worked.
    tensors["tokens"] = tokens
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    others = [p for p in model.parameters() if p.dim() < 2]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}],
        lr=PEAK, betas=BETAS, eps=EPS)
    losses, norms = [], []
    for step in range(STEPS):
        logits = model(input_ids=tokens[step, :, :-1]).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens[step, :, 1:].flatten())
        loss.backward()
        if step == 0:
            tensors.update({"grad:" + n: p.grad.clone() for n, p in model.named_parameters()})
        norms.append(float(torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)))
        losses.append(loss.item())
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step)
        optimizer.step()
        optimizer.zero_grad()
    tensors["final:model.layers.1.mlp.up_proj.weight"] = model.model.layers[1].mlp.up_proj.weight.detach().clone()
    tensors["final:model.norm.weight"] = model.model.norm.weight.detach().clone()
    save_file(tensors, out / "steps.safetensors")
    expected = {
        "losses": losses, "grad_norms": norms, "learning_rates": [learning_rate(s) for s in range(STEPS)],
        "peak": PEAK, "minimum": MINIMUM, "warmup_steps": WARMUP, "betas": BETAS, "eps": EPS, "weight_decay": DECAY,
        "clip_norm": CLIP, "sequence_length": SEQ, "batch_size": BATCH}
    (out / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
