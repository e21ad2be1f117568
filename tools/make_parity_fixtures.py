#!/usr/bin/env python3
"""Makes tests/parity/fixtures: tiny models with what Hugging Face transformers and PyTorch compute from them.

    python3 tools/make_parity_fixtures.py [--out tests/parity/fixtures] [NAME ...]

Needs torch, transformers, tokenizers and safetensors (made with 2.13, 5.23, 0.23 and 0.8); the tests read only what it
writes. Everything is seeded and runs on one thread, so the same versions make the same numbers
(PyTorch's legacy format and TorchScript archives hold ids that differ from run to run).

A fixture is a folder: `model/`, as `save_pretrained` or `torch.save` writes it, and beside it
  expected.json         prompt (ids), greedy (the 64 ids after it, end tokens ignored), eos_index (where in `greedy` an
                        end token stands), weights_dtype; or {"same_as": other fixture}
  expected.safetensors  positions [n], logits [n, vocab] float32 at these positions of prompt + greedy;
                        logits_bf16 [n, vocab] where the weights are bfloat16
  old_config.json       the same config.json in the words of transformers 4 (where a fixture has it)
The float32 logits come from a float32 model on the stored (perhaps rounded) weights, with eager attention and without
a cache; `logits_bf16` from transformers running in bfloat16.

Random weights give greedy paths that hang on the last bit. So each model, started from large random weights (norm
weights and biases too), is taught one random sequence until it says it with a margin; `check` then proves that the
smallest top-2 margin on the path is above 1 % of the logits' range and, for bfloat16, above twice the largest
difference between the bfloat16 and float32 runs. Anything that agrees to tolerance thus has to say the same tokens.
"""
import argparse
import json
import pathlib
import shutil
import tempfile

import torch
import transformers
from safetensors.torch import save_file

from parity_plain_fixtures import make_simple, make_stacks, make_torchscript
from parity_text_fixture import make_text

PROMPT = 40
GREEDY = 64
EOS = 2
EOS_INDEX = 50
# Every prompt position, then every eighth of what is generated.
POSITIONS = list(range(PROMPT)) + list(range(PROMPT + 7, PROMPT + GREEDY, 8))

LLAMA3 = dict(rope_type="llama3", rope_theta=5e5, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=64)


def llama(**kw):
    return dict(dict(vocab_size=112, hidden_size=32, intermediate_size=72, num_hidden_layers=2, num_attention_heads=4,
                     num_key_value_heads=2, max_position_embeddings=128, bos_token_id=1, eos_token_id=EOS), **kw)


NEOX = {key: value for key, value in llama(pad_token_id=0).items() if key != "num_key_value_heads"}

# name: (config class, config, also in these dtypes)
MODELS = {
    # Llama 2: every head has its own keys; untied head.
    "llama": ("LlamaConfig", llama(num_key_value_heads=4, rms_norm_eps=1e-5), ("bf16", "f16")),
    "llama_llama3_rope": ("LlamaConfig", llama(rope_parameters=LLAMA3), ("bf16",)),
    "llama_linear_rope": ("LlamaConfig", llama(rope_parameters=dict(rope_type="linear", factor=4.0, rope_theta=1e4)), ()),
    # Equals plain RoPE up to max_position_embeddings.
    "llama_dynamic_rope": ("LlamaConfig", llama(rope_parameters=dict(rope_type="dynamic", factor=2.0, rope_theta=1e4)), ()),
    "llama_yarn_rope": ("LlamaConfig", llama(head_dim=16, rope_parameters=dict(
        rope_type="yarn", factor=4.0, original_max_position_embeddings=32, rope_theta=1e4, beta_fast=4, beta_slow=0.5)), ()),
    "llama_biases": ("LlamaConfig", llama(attention_bias=True, mlp_bias=True, vocab_size=101), ()),
    # head_dim * heads is not hidden_size; sequences are longer than the window.
    "mistral": ("MistralConfig", llama(hidden_size=40, head_dim=16, sliding_window=12, rope_parameters=dict(
        rope_type="default", rope_theta=1e6)), ("bf16",)),
    "qwen2": ("Qwen2Config", llama(tie_word_embeddings=True, rope_parameters=dict(
        rope_type="default", rope_theta=1e6)), ("bf16",)),
    # The second layer sees a window, the first everything.
    "qwen2_sliding": ("Qwen2Config", llama(use_sliding_window=True, sliding_window=9, max_window_layers=1), ()),
    "qwen3": ("Qwen3Config", llama(head_dim=16, tie_word_embeddings=True), ("bf16",)),
    # SmolLM2 is a Llama with a tied head and three query heads to a key head.
    "smollm2": ("LlamaConfig", llama(hidden_size=48, num_attention_heads=6, tie_word_embeddings=True, rope_parameters=dict(
        rope_type="default", rope_theta=1e5), rms_norm_eps=1e-5), ("bf16",)),
    # The fourth of five layers has no positions.
    "smollm3": ("SmolLM3Config", llama(num_hidden_layers=5, hidden_size=24, intermediate_size=56, pad_token_id=0,
                                       tie_word_embeddings=True), ("bf16",)),
    "gpt2": ("GPT2Config", dict(vocab_size=112, n_embd=32, n_layer=2, n_head=4, n_positions=128, bos_token_id=EOS,
                                eos_token_id=EOS), ("bf16",)),
    "gpt2_variants": ("GPT2Config", dict(vocab_size=112, n_embd=24, n_layer=3, n_head=3, n_inner=80, n_positions=104,
                                         scale_attn_by_inverse_layer_idx=True, tie_word_embeddings=False,
                                         activation_function="gelu", bos_token_id=EOS, eos_token_id=EOS), ()),
    # Two layers see a window and turn by another base than the third; head_dim * heads is not hidden_size.
    "gemma3": ("Gemma3TextConfig", llama(hidden_size=40, head_dim=16, num_hidden_layers=3, pad_token_id=0,
                                         query_pre_attn_scalar=24, sliding_window=12, sliding_window_pattern=3,
                                         rope_parameters=dict(
                                             full_attention=dict(rope_type="linear", factor=8.0, rope_theta=1e5),
                                             sliding_attention=dict(rope_type="default", rope_theta=1e3))), ("bf16", "f16")),
    "gemma3_variants": ("Gemma3TextConfig", llama(num_attention_heads=2, num_key_value_heads=1, head_dim=24, vocab_size=101,
                                                  pad_token_id=0, sliding_window=9, sliding_window_pattern=2,
                                                  attention_bias=True, tie_word_embeddings=False,
                                                  final_logit_softcapping=20.0, attn_logit_softcapping=3.0), ()),
    # The first of three layers and the last see a window; scores and logits are capped.
    "gemma2": ("Gemma2Config", llama(hidden_size=40, head_dim=16, num_hidden_layers=3, pad_token_id=0,
                                     query_pre_attn_scalar=24, sliding_window=12, attn_logit_softcapping=2.0,
                                     final_logit_softcapping=30.0), ("bf16",)),
    # One matrix for queries, keys and values, one for gate and up.
    "phi3": ("Phi3Config", llama(pad_token_id=0, sliding_window=12), ("bf16", "f16")),
    # Turns the first 12 of a head's 16 numbers, by frequencies of its own.
    "phi3_longrope": ("Phi3Config", llama(hidden_size=64, pad_token_id=0, max_position_embeddings=512,
                                          original_max_position_embeddings=128, rope_parameters=dict(
        rope_type="longrope", rope_theta=1e4, partial_rotary_factor=0.75, short_factor=[1.0, 1.1, 1.3, 1.6, 2.0, 2.5],
        long_factor=[1.0, 2.0, 4.0, 8.0, 16.0, 32.0])), ()),
    # Norms over all heads of queries, and of keys; three query heads to a key head.
    "olmo2": ("Olmo2Config", llama(hidden_size=48, num_attention_heads=6, pad_token_id=0), ("bf16", "f16")),
    "granite": ("GraniteConfig", llama(embedding_multiplier=3.0, residual_multiplier=0.6, attention_multiplier=0.2,
                                       logits_scaling=2.0, attention_bias=True, tie_word_embeddings=True), ("bf16",)),
    # A head's query, key and value lie together; both parts of a layer read the same x; 4 of a head's 8 numbers are turned.
    "gpt_neox": ("GPTNeoXConfig", dict(NEOX, rope_parameters=dict(rope_type="default", rope_theta=1e4,
                                                                  partial_rotary_factor=0.5)), ("bf16", "f16")),
    "gpt_neox_one_by_one": ("GPTNeoXConfig", dict(NEOX, use_parallel_residual=False, attention_bias=False, hidden_act="gelu_new",
                                                  rope_parameters=dict(rope_type="linear", factor=2.0, rope_theta=1e3,
                                                                       partial_rotary_factor=1.0)), ()),
}


def old_key(config, kind):
    """What older configs call the rope type; Gemma 3's never had the oldest word."""
    return "type" if kind == "linear" and config["model_type"] != "gemma3_text" else "rope_type"


def old_words(config):
    """config.json as transformers 4 wrote it: rope_theta and rope_scaling, torch_dtype, no keys that came later."""
    config = dict(config)
    config["torch_dtype"] = config.pop("dtype")
    if config["model_type"] == "gemma3_text":
        kinds = config["layer_types"]
        config["sliding_window_pattern"] = 1 + kinds.index("full_attention")
        rope = config.pop("rope_parameters")
        config["rope_local_base_freq"] = rope["sliding_attention"]["rope_theta"]
        config["rope_parameters"] = rope["full_attention"]
    for key in ("layer_types", "no_rope_layers", "no_rope_layer_interval"):
        config.pop(key, None)
    if config["model_type"] != "qwen3" and config.get("head_dim", 0) * config.get("num_attention_heads", 0) == config.get("hidden_size"):
        config.pop("head_dim")
    if config["model_type"] == "gpt2":
        config.pop("tie_word_embeddings")
        config["n_ctx"] = config["n_positions"]
    rope = config.pop("rope_parameters", None)
    if rope:
        config["rope_theta"] = rope.pop("rope_theta")
        if config["model_type"] == "gpt_neox":
            config["rotary_emb_base"] = config.pop("rope_theta")
            config["rotary_pct"] = rope.pop("partial_rotary_factor")
        if config["model_type"] == "phi3":
            config["partial_rotary_factor"] = rope.pop("partial_rotary_factor")
            rope.pop("original_max_position_embeddings", None)
        kind = rope.pop("rope_type")
        config["rope_scaling"] = None if kind == "default" else dict(rope, **{old_key(config, kind): kind})
    config["transformers_version"] = "4.41.0"
    return config


def write_json(path, value):
    path.write_text(json.dumps(value, indent=None if "prompt" in value else 2) + "\n")


def load(folder, dtype):
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation="eager")
    return model.eval()


def build(config, seed):
    """A model with large random weights, norm weights and biases included."""
    torch.manual_seed(seed)
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape)
            if "embed" in name or "wte" in name or "wpe" in name:
                parameter.copy_(0.5 * noise)
            elif parameter.dim() == 2:
                conv1d = "c_attn" in name or "c_proj" in name or "c_fc" in name
                parameter.copy_(noise * parameter.shape[0 if conv1d else 1] ** -0.5)
            elif "bias" in name:
                parameter.copy_(0.2 * noise)
            else:  # norm weights, around what they begin with: 1, or 0 where 1 is added to them
                parameter.add_(0.25 * noise)
    return model


def sequence(vocab, seed):
    """Random ids, without the end token but for one."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(3, vocab, (PROMPT + GREEDY + 1,), generator=generator)
    ids[PROMPT + EOS_INDEX] = EOS
    return ids[None]


def teach(model, ids, margin):
    """Trains until every token after the prompt is said with `margin` (in units of the logits' range)."""
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
    for _ in range(600):
        logits = model(ids[:, :-1]).logits[0]
        tail = logits[PROMPT - 1:].detach()
        right = tail.gather(1, ids[0, PROMPT:, None])[:, 0]
        others = tail.scatter(1, ids[0, PROMPT:, None], float("-inf")).max(1).values
        if (right - others).min() > margin * (tail.max() - tail.min()):
            return
        loss = torch.nn.functional.cross_entropy(logits, ids[0, 1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    raise RuntimeError("did not learn its sequence")


@torch.no_grad()
def greedy(model, prompt, count=GREEDY):
    ids = list(prompt)
    for _ in range(count):
        ids.append(int(model(torch.tensor([ids]), use_cache=False).logits[0, -1].argmax()))
    return ids[len(prompt):]


@torch.no_grad()
def logits_of(model, ids):
    return model(torch.tensor([ids]), use_cache=False).logits[0]


def check(name, logits, noise):
    """See the module's comment; `noise` is the largest difference a right implementation may show."""
    path = logits[PROMPT - 1:-1]
    top = path.topk(2, dim=1).values
    margin = float((top[:, 0] - top[:, 1]).min())
    span = float(logits.max() - logits.min())
    assert margin > 0.01 * span and margin > 2 * noise, f"{name}: margin {margin}, range {span}, noise {noise}"
    print(f"{name}: range {span:.1f}, smallest margin {margin:.2f}, noise {noise:.3f}")


def expect(folder, prompt, weights_dtype):
    """Computes and writes what the model in `folder`/model must say."""
    model = load(folder / "model", torch.float32)
    answer = greedy(model, prompt)
    logits = logits_of(model, prompt + answer)
    tensors = {"positions": torch.tensor(POSITIONS), "logits": logits[POSITIONS].contiguous()}
    noise = 0.0
    if weights_dtype == "bfloat16":
        half = load(folder / "model", torch.bfloat16)
        assert greedy(half, prompt) == answer, f"{folder.name}: bfloat16 says something else"
        half_logits = logits_of(half, prompt + answer)
        noise = float((half_logits.float() - logits).abs().max())
        tensors["logits_bf16"] = half_logits[POSITIONS].contiguous()
    check(folder.name, logits, noise)
    save_file(tensors, str(folder / "expected.safetensors"))
    write_json(folder / "expected.json", dict(
        prompt=prompt, greedy=answer, eos_index=answer.index(EOS), weights_dtype=weights_dtype,
        parameters=sum(p.numel() for p in model.parameters())))


def check_same(folder, other):
    """transformers itself must read `folder` as the model in `other`."""
    ids = json.loads((other / "expected.json").read_text())["prompt"]
    a, b = (logits_of(load(f, torch.float32), ids) for f in (folder, other / "model"))
    assert torch.equal(a, b), f"{folder} is not {other}"


def make_model(out, name):
    kind, options, dtypes = MODELS[name]
    seed = 100 + list(MODELS).index(name)
    model = build(getattr(transformers, kind)(**options), seed)
    ids = sequence(options["vocab_size"], seed)
    teach(model, ids, margin=0.06)
    prompt = ids[0, :PROMPT].tolist()
    for suffix, dtype in [("", torch.float32)] + [("_" + d, dict(bf16=torch.bfloat16, f16=torch.float16)[d]) for d in dtypes]:
        folder = out / (name + suffix)
        shutil.rmtree(folder, ignore_errors=True)
        model.to(dtype).save_pretrained(folder / "model")
        expect(folder, prompt, str(dtype).removeprefix("torch."))
        if suffix == "":
            write_json(folder / "old_config.json", old_words(json.loads((folder / "model/config.json").read_text())))
            with tempfile.TemporaryDirectory() as old:
                shutil.copy(folder / "old_config.json", f"{old}/config.json")
                shutil.copy(folder / "model/model.safetensors", old)
                if name != "gpt2_variants":  # its untied head cannot be said without tie_word_embeddings
                    check_same(old, folder)
                else:
                    (folder / "old_config.json").unlink()
        model.to(torch.float32)


def like(out, name, base):
    """An empty fixture folder `name` for the weights of `base` in another container."""
    folder = out / name
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "model").mkdir(parents=True)
    for file in ("config.json", "generation_config.json"):
        shutil.copy(out / base / "model" / file, folder / "model")
    write_json(folder / "expected.json", {"same_as": base})
    return folder / "model", load(out / base / "model", torch.bfloat16)


def make_containers(out):
    """The other ways in which checkpoints come."""
    folder, model = like(out, "smollm2_sharded", "smollm2_bf16")
    model.save_pretrained(folder, max_shard_size="25KB")
    assert (folder / "model.safetensors.index.json").exists()

    # Tied weights stand twice in it and share a storage.
    folder, model = like(out, "smollm2_bin", "smollm2_bf16")
    torch.save(model.state_dict(), folder / "pytorch_model.bin")

    folder, model = like(out, "qwen2_bin_sharded", "qwen2_bf16")
    state = model.state_dict()
    names = list(state)
    weight_map = {}
    for part, keys in ((1, names[:9]), (2, names[9:])):
        file = f"pytorch_model-{part:05d}-of-00002.bin"
        torch.save({k: state[k].clone() for k in keys}, folder / file)
        weight_map.update({k: file for k in keys})
    total = sum(t.numel() * t.element_size() for t in state.values())
    write_json(folder / "pytorch_model.bin.index.json", dict(metadata=dict(total_size=total), weight_map=weight_map))

    # As the first GPT-2 checkpoints: the format from before PyTorch 1.6, no "transformer." before the names, the causal
    # mask among the weights, no lm_head.
    folder, model = like(out, "gpt2_legacy_bin", "gpt2_bf16")
    state = {k.removeprefix("transformer."): v for k, v in model.state_dict().items() if k != "lm_head.weight"}
    for layer in range(model.config.n_layer):
        state[f"h.{layer}.attn.bias"] = torch.ones(1, 1, 128, 128, dtype=torch.uint8).tril()
        state[f"h.{layer}.attn.masked_bias"] = torch.tensor(-1e4)
    torch.save(state, folder / "pytorch_model.bin", _use_new_zipfile_serialization=False)
    write_json(folder / "config.json", json.loads((out / "gpt2/old_config.json").read_text()))

    for name in ("smollm2_sharded", "smollm2_bin", "qwen2_bin_sharded", "gpt2_legacy_bin"):
        base = json.loads((out / name / "expected.json").read_text())["same_as"]
        check_same(out / name / "model", out / base)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = pathlib.Path(__file__).resolve().parent.parent
    parser.add_argument("--out", type=pathlib.Path, default=root / "tests/parity/fixtures")
    parser.add_argument("names", nargs="*", help="only these of: containers, simple, torchscript, text, " + ", ".join(MODELS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    makers = {name: (lambda name=name: make_model(arguments.out, name)) for name in MODELS}
    makers["containers"] = lambda: make_containers(arguments.out)
    makers["simple"] = lambda: make_simple(arguments.out / "simple")
    makers["stacks"] = lambda: make_stacks(arguments.out / "stacks")
    makers["torchscript"] = lambda: make_torchscript(arguments.out / "torchscript")
    makers["text"] = lambda: make_text(arguments.out / "text")
    for name in arguments.names or makers:
        makers[name]()


if __name__ == "__main__":
    main()
