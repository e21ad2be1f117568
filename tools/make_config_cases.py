#!/usr/bin/env python3
"""Makes tests/data/config_cases.json: what Hugging Face's classes make of config.json files, key by key: the logits after
the last of a few tokens, or that they refuse. Needs torch and transformers (made with 2.13 and 5.18); the test is
tests/models/config_cases_test.cpp, which makes the same weights from the same formula."""

import json
import pathlib
import tempfile
import warnings

import numpy
import torch
import transformers

TOKENS = 24
LAYERS = 4
LLAMA = dict(model_type="llama", vocab_size=40, hidden_size=32, intermediate_size=24, num_hidden_layers=LAYERS,
             num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64)
MISTRAL = dict(LLAMA, model_type="mistral", sliding_window=5, head_dim=8)
QWEN2 = dict(LLAMA, model_type="qwen2")
QWEN3 = dict(LLAMA, model_type="qwen3", head_dim=8)
SMOLLM3 = dict(LLAMA, model_type="smollm3", pad_token_id=0, bos_token_id=1, eos_token_id=2)
GPT2 = dict(model_type="gpt2", vocab_size=40, n_embd=32, n_layer=2, n_head=4, n_positions=64, bos_token_id=1,
            eos_token_id=2)
GPT2_GENERAL = dict(model_type="gpt2", vocab_size=40, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
                    max_position_embeddings=64, bos_token_id=1, eos_token_id=2)
GEMMA3 = dict(LLAMA, model_type="gemma3_text", head_dim=8, query_pre_attn_scalar=12, sliding_window=5, pad_token_id=0,
              sliding_window_pattern=3)
GEMMA2 = dict(LLAMA, model_type="gemma2", head_dim=8, query_pre_attn_scalar=12, sliding_window=5, pad_token_id=0)
PHI3 = dict(LLAMA, model_type="phi3", pad_token_id=0, bos_token_id=1, eos_token_id=2)
OLMO2 = dict(LLAMA, model_type="olmo2", pad_token_id=0, bos_token_id=1, eos_token_id=2)
GRANITE = dict(LLAMA, model_type="granite", embedding_multiplier=3.0, residual_multiplier=0.6, attention_multiplier=0.2,
               logits_scaling=2.0)
NEOX = dict(model_type="gpt_neox", vocab_size=40, hidden_size=32, intermediate_size=24, num_hidden_layers=2,
            num_attention_heads=2, max_position_embeddings=64, bos_token_id=1, eos_token_id=2)
MIXED = ["full_attention", "sliding_attention", "sliding_attention", "full_attention"]
BIASES = dict(attention_bias=True, mlp_bias=True)
LINEAR = dict(rope_type="linear", factor=4.0)
LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=16)
YARN = dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=16)
LONGROPE = dict(rope_type="longrope", short_factor=[1.0, 1.5, 2.5, 4.0], long_factor=[2.0, 3.0, 5.0, 9.0],
                original_max_position_embeddings=32)
GENERAL = ["max_position_embeddings", "rms_norm_eps", "hidden_act", "tie_word_embeddings", "num_key_value_heads", "head_dim"]
WINDOW = ["use_sliding_window", "max_window_layers", "sliding_window", "layer_types"]
# Keys that say nothing when they are missing, and may be an error when they are null.
NULLS = [
    (LLAMA, GENERAL + ["attention_bias", "mlp_bias", "use_sliding_window", "max_window_layers"]),
    (MISTRAL, GENERAL + WINDOW + ["attention_bias"]),
    (dict(MISTRAL, model_type="ministral", layer_types=MIXED), ["num_key_value_heads", "head_dim", "rms_norm_eps"]),
    (QWEN2, GENERAL + WINDOW + ["attention_bias", "mlp_bias"]),
    (QWEN3, GENERAL + WINDOW + ["attention_bias", "mlp_bias"]),
    (SMOLLM3, GENERAL + WINDOW + ["attention_bias", "mlp_bias", "no_rope_layer_interval", "no_rope_layers"]),
    (GPT2, ["n_inner", "layer_norm_epsilon", "activation_function", "tie_word_embeddings", "scale_attn_weights",
            "scale_attn_by_inverse_layer_idx"]),
    (NEOX, ["rotary_pct", "rotary_emb_base", "layer_norm_eps", "hidden_act", "attention_bias", "use_parallel_residual",
            "tie_word_embeddings"]),
    (PHI3, ["sliding_window", "num_key_value_heads", "rms_norm_eps", "hidden_act", "original_max_position_embeddings",
            "partial_rotary_factor", "rope_theta", "tie_word_embeddings"]),
    (OLMO2, ["num_key_value_heads", "rms_norm_eps", "hidden_act", "attention_bias", "rope_theta", "tie_word_embeddings"]),
    (GRANITE, ["num_key_value_heads", "embedding_multiplier", "residual_multiplier", "attention_multiplier",
               "logits_scaling", "attention_bias", "mlp_bias"]),
    (GEMMA2, ["sliding_window", "layer_types", "final_logit_softcapping", "attn_logit_softcapping",
              "use_bidirectional_attention"]),
    (GEMMA3, ["max_position_embeddings", "rms_norm_eps", "hidden_activation", "tie_word_embeddings", "num_key_value_heads",
              "head_dim", "query_pre_attn_scalar", "sliding_window", "sliding_window_pattern", "layer_types",
              "attention_bias", "final_logit_softcapping", "attn_logit_softcapping", "rope_theta", "rope_local_base_freq",
              "rope_parameters", "rope_scaling"]),
]


def without(config, *keys):
    return {key: value for key, value in config.items() if key not in keys}


def rope(parameters, **more):
    return dict(LLAMA, rope_scaling=parameters, **more)


CASES = {
    "mistral": MISTRAL,
    "mistral without a window": dict(MISTRAL, sliding_window=None),
    "mistral alternates with layer_types": dict(MISTRAL, layer_types=MIXED),
    "mistral with layer_types null": dict(MISTRAL, layer_types=None),
    "ministral": dict(MISTRAL, model_type="ministral", layer_types=MIXED),
    "ministral without layer_types": dict(MISTRAL, model_type="ministral"),
    "mistral has no biases": dict(MISTRAL, **BIASES),
    "qwen2 has its own biases": dict(QWEN2, **BIASES),
    "qwen2 slides": dict(QWEN2, use_sliding_window=True, sliding_window=5, layer_types=MIXED),
    "qwen2 slides from a layer on": dict(QWEN2, use_sliding_window=True, sliding_window=5, max_window_layers=2),
    "qwen2 does not use its window": dict(QWEN2, use_sliding_window=False, sliding_window=5, max_window_layers=0),
    "qwen2 slides without using": dict(QWEN2, use_sliding_window=False, sliding_window=5, layer_types=MIXED),
    "qwen3 has no bias in its feed-forward": dict(QWEN3, **BIASES),
    "qwen3 slides": dict(QWEN3, use_sliding_window=True, sliding_window=5, layer_types=MIXED),
    "qwen3 old layer type": dict(QWEN3, layer_types=["attention"] * LAYERS),
    "smollm3": SMOLLM3,
    "smollm3 has both biases": dict(SMOLLM3, **BIASES),
    "smollm3 slides by layer_types alone": dict(SMOLLM3, sliding_window=5, layer_types=MIXED),
    "smollm3 slides by layer_types": dict(SMOLLM3, use_sliding_window=True, sliding_window=5, layer_types=MIXED),
    "smollm3 slides where it has no positions": dict(SMOLLM3, use_sliding_window=True, sliding_window=5),
    "smollm3 does not use its window": dict(SMOLLM3, use_sliding_window=False, sliding_window=5),
    "smollm3 slides without a window": dict(SMOLLM3, layer_types=MIXED),
    "smollm3 no_rope_layers": dict(SMOLLM3, no_rope_layers=[0, 1, 1, 0]),
    "smollm3 too few no_rope_layers": dict(SMOLLM3, no_rope_layers=[0, 1]),
    "llama has both biases": dict(LLAMA, **BIASES),
    "llama takes no notice of layer_types": dict(LLAMA, sliding_window=5, layer_types=MIXED),
    "llama unknown layer type": dict(LLAMA, layer_types=["full_attention", "other", "full_attention", "full_attention"]),
    "qwen2 unknown layer type": dict(QWEN2, layer_types=["full_attention", "other", "full_attention", "full_attention"]),
    "mistral unknown layer type": dict(MISTRAL, layer_types=["full_attention", "other", "full_attention", "full_attention"]),
    "smollm3 unknown layer type": dict(SMOLLM3, layer_types=["other"] * LAYERS),
    "qwen2 too few layer types": dict(QWEN2, layer_types=["full_attention"] * 3),
    "qwen2 too many layer types": dict(QWEN2, layer_types=["full_attention"] * 5),
    "mistral too many layer types": dict(MISTRAL, layer_types=["full_attention"] * 5),
    "qwen2 says nothing of using its window": dict(QWEN2, sliding_window=5, max_window_layers=0),
    "smollm3 says nothing of using its window": dict(SMOLLM3, sliding_window=5),
    "smollm3 turns every second": dict(SMOLLM3, no_rope_layer_interval=2),
    "smollm3 more no_rope_layers than layers": dict(SMOLLM3, no_rope_layers=[0, 1, 1, 0, 1]),
    **{f"{family['model_type']} takes no notice of layer_types": dict(family, sliding_window=5, layer_types=MIXED)
       for family in (GRANITE, OLMO2)},
    **{f"{family['model_type']} unknown layer types": dict(family, layer_types=["other"] * family["num_hidden_layers"])
       for family in (GRANITE, OLMO2, PHI3, NEOX, GPT2_GENERAL)},
    "phi3 takes no notice of layer_types": dict(PHI3, sliding_window=5, layer_types=MIXED),
    **{f"llama {name}": dict(LLAMA, hidden_act=name)
       for name in ("silu", "swish", "gelu", "gelu_new", "gelu_pytorch_tanh", "gelu_fast", "relu")},
    "gpt_neox": NEOX,
    "gpt_neox one by one": dict(NEOX, use_parallel_residual=False),
    "gpt_neox without biases in attention": dict(NEOX, attention_bias=False),
    "gpt_neox of old": dict(NEOX, rotary_pct=0.5, rotary_emb_base=500),
    "gpt_neox other words": dict(NEOX, partial_rotary_factor=0.5, rope_theta=500.0),
    "gpt_neox new words": dict(NEOX, rope_parameters=dict(rope_type="default", rope_theta=500.0, partial_rotary_factor=0.5)),
    "gpt_neox linear": dict(NEOX, rotary_pct=1.0, rope_scaling=LINEAR),
    "gpt_neox tied": dict(NEOX, tie_word_embeddings=True),
    "gpt_neox unknown rope type": dict(NEOX, rope_scaling=dict(rope_type="other", factor=2.0)),
    "gpt_neox unknown activation": dict(NEOX, hidden_act="other"),
    "phi3": PHI3,
    "phi3 slides": dict(PHI3, sliding_window=5),
    "phi3 turns a part": dict(PHI3, partial_rotary_factor=0.5),
    "phi3 turns a part by new words": dict(PHI3, partial_rotary_factor=0.5, rope_parameters=dict(
        rope_type="default", rope_theta=500.0, partial_rotary_factor=0.75)),
    "phi3 longrope": dict(PHI3, original_max_position_embeddings=32, rope_scaling=without(LONGROPE, "original_max_position_embeddings")),
    "phi3 yarn is longrope": dict(PHI3, original_max_position_embeddings=32, rope_scaling=dict(
        type="yarn", short_factor=LONGROPE["short_factor"], long_factor=LONGROPE["long_factor"])),
    "phi3 longrope turns a part": dict(PHI3, original_max_position_embeddings=32, partial_rotary_factor=0.5, rope_scaling=dict(
        rope_type="longrope", short_factor=[1.0, 2.0], long_factor=[2.0, 5.0], attention_factor=1.3)),
    "phi3 longrope with too few factors": dict(PHI3, original_max_position_embeddings=32, rope_scaling=dict(
        rope_type="longrope", short_factor=[1.0, 2.0], long_factor=[2.0, 5.0])),
    "phi3 linear": dict(PHI3, rope_scaling=LINEAR),
    "phi3 unknown rope type": dict(PHI3, rope_scaling=dict(rope_type="other")),
    "phi3 unknown activation": dict(PHI3, hidden_act="other"),
    "phi3 has no biases": dict(PHI3, **BIASES),
    "olmo2": OLMO2,
    "olmo2 has biases in attention": dict(OLMO2, **BIASES),
    "olmo2 linear": dict(OLMO2, rope_scaling=LINEAR, rope_theta=500.0),
    "olmo2 unknown rope type": dict(OLMO2, rope_scaling=dict(rope_type="other", factor=2.0)),
    "olmo2 unknown activation": dict(OLMO2, hidden_act="other"),
    "granite": GRANITE,
    "granite without multipliers": dict(LLAMA, model_type="granite"),
    "granite has both biases": dict(GRANITE, **BIASES),
    "granite unknown rope type": dict(GRANITE, rope_scaling=dict(rope_type="other", factor=2.0)),
    "llama takes no notice of multipliers": dict(GRANITE, model_type="llama"),
    "gemma2": GEMMA2,
    "gemma2 layer_types": dict(GEMMA2, layer_types=MIXED),
    "gemma2 has its own pattern": dict(GEMMA2, sliding_window_pattern=3),
    "gemma2 caps": dict(GEMMA2, attn_logit_softcapping=0.5, final_logit_softcapping=3.0),
    "gemma2 has one base": dict(GEMMA2, rope_theta=500.0, rope_local_base_freq=77.0, rope_scaling=LINEAR),
    "gemma3": GEMMA3,
    "gemma3 sees all in the sixth": without(GEMMA3, "sliding_window_pattern"),
    "gemma3 layer_types": dict(GEMMA3, layer_types=MIXED),
    "gemma3 layer_types without a window": dict(GEMMA3, layer_types=["full_attention"] * LAYERS, sliding_window=None),
    "gemma3 unknown layer type": dict(GEMMA3, layer_types=["other"] * LAYERS),
    "gemma3 two bases": dict(GEMMA3, rope_theta=500.0, rope_local_base_freq=77.0),
    "gemma3 scaling of old": dict(GEMMA3, rope_theta=500.0, rope_local_base_freq=77.0, rope_scaling=dict(LINEAR)),
    "gemma3 type of old": dict(GEMMA3, rope_scaling=dict(type="linear", factor=4.0)),
    "gemma3 new words": dict(GEMMA3, rope_parameters=dict(
        full_attention=dict(LLAMA3, rope_theta=500.0), sliding_attention=dict(rope_type="default", rope_theta=77.0))),
    "gemma3 base outside": dict(GEMMA3, rope_theta=500.0, rope_local_base_freq=77.0, rope_parameters=dict(
        full_attention=dict(rope_type="default"), sliding_attention=dict(rope_type="default"))),
    "gemma3 both bases": dict(GEMMA3, rope_theta=500.0, rope_parameters=dict(
        full_attention=dict(rope_type="default", rope_theta=77.0), sliding_attention=None)),
    "gemma3 unknown rope type": dict(GEMMA3, rope_parameters=dict(
        full_attention=dict(rope_type="other", factor=2.0), sliding_attention=dict(rope_type="default"))),
    "gemma3 rope without kinds": dict(GEMMA3, rope_parameters=dict(rope_type="linear", factor=4.0, rope_theta=500.0)),
    "gemma3 caps its logits": dict(GEMMA3, final_logit_softcapping=2.0),
    "gemma3 does not cap its attention": dict(GEMMA3, attn_logit_softcapping=2.0),
    "gemma3 has biases": dict(GEMMA3, attention_bias=True, mlp_bias=True),
    "gemma3 untied": dict(GEMMA3, tie_word_embeddings=False),
    "gemma3 unknown activation": dict(GEMMA3, hidden_activation="other"),
    "gemma3 takes no notice of hidden_act": dict(GEMMA3, hidden_act="relu"),
    "gpt2": GPT2,
    "gpt2 general names": GPT2_GENERAL,
    "gpt2 both names": dict(GPT2, n_head=2, n_layer=1, num_attention_heads=4, num_hidden_layers=2),
    "gpt2 both names, general first": dict(dict(model_type="gpt2", num_attention_heads=4, num_hidden_layers=2),
                                           **without(GPT2, "model_type"), n_ctx=64),
    "gpt2 n_ctx alone": dict(without(GPT2, "n_positions"), n_ctx=64),
    "gpt2 n_inner": dict(GPT2, n_inner=48),
    "gpt2 without a scale": dict(GPT2, scale_attn_weights=False),
    "gpt2 scales by layer": dict(GPT2, scale_attn_by_inverse_layer_idx=True),
    "gpt2 gelu": dict(GPT2, activation_function="gelu"),
    "gpt2 untied": dict(GPT2, tie_word_embeddings=False),
    "rope empty": rope({}, rope_parameters=LINEAR),
    "rope null": rope(None, rope_parameters=LINEAR),
    "rope both": rope(LINEAR, rope_parameters=dict(LINEAR, factor=9.0)),
    "rope new words": dict(LLAMA, rope_parameters=dict(LINEAR, rope_theta=500.0)),
    "rope two thetas": rope(dict(LINEAR, rope_theta=500.0), rope_theta=77.0),
    "rope old type": rope(dict(type="linear", factor=4.0), rope_theta=77.0),
    "linear": rope(LINEAR),
    "linear without factor": rope(without(LINEAR, "factor")),
    "linear with factor null": rope(dict(LINEAR, factor=None)),
    "dynamic": rope(dict(rope_type="dynamic", factor=2.0)),
    "dynamic without factor": rope(dict(rope_type="dynamic")),
    "llama3": rope(LLAMA3),
    "llama3 without factor": rope(without(LLAMA3, "factor")),
    "llama3 without low_freq_factor": rope(without(LLAMA3, "low_freq_factor")),
    "llama3 without high_freq_factor": rope(without(LLAMA3, "high_freq_factor")),
    "llama3 without original": rope(without(LLAMA3, "original_max_position_embeddings")),
    "llama3 original outside": rope(without(LLAMA3, "original_max_position_embeddings"), original_max_position_embeddings=16),
    "llama3 original twice": rope(LLAMA3, original_max_position_embeddings=32),
    "yarn": rope(YARN),
    "yarn without factor": rope(without(YARN, "factor")),
    "yarn with factor null": rope(dict(YARN, factor=None)),
    "yarn without original": rope(without(YARN, "original_max_position_embeddings")),
    "yarn original twice": rope(YARN, original_max_position_embeddings=32),
    "yarn truncate": rope(dict(YARN, truncate=True)),
    "yarn no truncate": rope(dict(YARN, truncate=False)),
    "yarn truncate null": rope(dict(YARN, truncate=None)),
    "yarn attention_factor": rope(dict(YARN, attention_factor=0.7)),
    "yarn attention_factor 0": rope(dict(YARN, attention_factor=0.0)),
    "yarn attention_factor null": rope(dict(YARN, attention_factor=None)),
    "yarn betas": rope(dict(YARN, beta_fast=4.0, beta_slow=0.5)),
    "yarn betas 0": rope(dict(YARN, beta_fast=0, beta_slow=0)),
    "yarn betas null": rope(dict(YARN, beta_fast=None, beta_slow=None)),
    "yarn mscale": rope(dict(YARN, mscale=0.7, mscale_all_dim=1.3)),
    "yarn mscale alone": rope(dict(YARN, mscale=0.7)),
    "yarn mscale negative": rope(dict(YARN, mscale=-0.7, mscale_all_dim=1.3)),
    "yarn factor below 1": rope(dict(YARN, factor=0.5)),
    "longrope": rope(LONGROPE),
    "longrope factor": rope(dict(LONGROPE, factor=3.0)),
    "longrope factor below 1": rope(dict(LONGROPE, factor=0.5)),
    "longrope attention_factor": rope(dict(LONGROPE, attention_factor=1.2)),
    "longrope original outside": rope(without(LONGROPE, "original_max_position_embeddings"),
                                      original_max_position_embeddings=32),
    "longrope without short_factor": rope(without(LONGROPE, "short_factor")),
    "longrope without long_factor": rope(without(LONGROPE, "long_factor")),
    "longrope of qwen3": dict(QWEN3, rope_scaling=LONGROPE),
    "proportional": rope(dict(rope_type="proportional", partial_rotary_factor=0.5)),
    "proportional factor": rope(dict(rope_type="proportional", partial_rotary_factor=0.75, factor=2.0)),
    "default partial": dict(LLAMA, partial_rotary_factor=0.5),
    "default partial in rope": rope(dict(rope_type="default", partial_rotary_factor=0.5)),
    "linear partial": rope(dict(LINEAR, partial_rotary_factor=0.5)),
    "yarn partial": rope(YARN, partial_rotary_factor=0.5),
    "unknown rope type": rope(dict(rope_type="other", factor=2.0)),
    **{f"{family['model_type']} {key} null": dict(family, **{key: None}) for family, keys in NULLS for key in keys},
    "rope theta null": dict(LLAMA, rope_theta=None),
    "rope theta null inside": rope(dict(LINEAR, rope_theta=None), rope_theta=500.0),
    "rope theta null outside": rope(dict(LINEAR, rope_theta=500.0), rope_theta=None),
    "default factor null": rope(dict(rope_type="default", factor=None)),
    "proportional factor null": rope(dict(rope_type="proportional", partial_rotary_factor=0.5, factor=None)),
    "dynamic partial null": rope(dict(rope_type="dynamic", factor=2.0, partial_rotary_factor=None)),
    "linear partial null outside": rope(LINEAR, partial_rotary_factor=None),
    "default partial null": rope(dict(rope_type="default", partial_rotary_factor=None)),
    "rope by layer type": dict(QWEN3, layer_types=["full_attention"] * LAYERS,
                               rope_parameters={"full_attention": dict(rope_type="default", rope_theta=1e4)}),
}


def weight(name, shape):
    """Numbers that depend on the name and the place alone."""
    seed = 2166136261
    for byte in name.encode():
        seed = (seed ^ byte) * 16777619 % 2**32
    x = (seed + numpy.arange(numpy.prod(shape, dtype=numpy.int64), dtype=numpy.uint64) * 2654435761) % 2**32
    x = (x ^ (x >> numpy.uint64(16))) * numpy.uint64(0x45D9F3B) % 2**32
    x = x ^ (x >> numpy.uint64(16))
    value = x.astype(numpy.float64) / 2**32 - 0.5
    if name.endswith("norm.weight") or ".ln_" in name and name.endswith("weight"):
        value += 1
    return torch.from_numpy(value.astype(numpy.float32)).reshape(shape)


@torch.no_grad()
def ask(config):
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "config.json").write_text(json.dumps(config))
        try:
            read = transformers.AutoConfig.from_pretrained(folder)
            model = transformers.AutoModelForCausalLM.from_config(read, attn_implementation="eager").eval()
            for name, parameter in model.named_parameters():
                ours = name.replace("lm_head.", "embed_out.") if config["model_type"] == "gpt_neox" else name
                parameter.copy_(weight(ours, tuple(parameter.shape)))
            ids = [(7 * i * i + 3 * i + 5) % config["vocab_size"] for i in range(TOKENS)]
            logits = model(torch.tensor([ids]), use_cache=False).logits[0, -1]
        except Exception as error:
            return {"refused": f"{type(error).__name__}: {str(error).splitlines()[0][:80]}"}
        assert logits.isfinite().all(), config
        return {"ids": ids, "logits": [round(float(value), 6) for value in logits]}


def main():
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    cases = [{"name": name, "config": config, **ask(config)} for name, config in CASES.items()]
    lines = ",\n".join(json.dumps(case) for case in cases)
    path = pathlib.Path(__file__).resolve().parent.parent / "tests/data/config_cases.json"
    path.write_text(f'{{"transformers": "{transformers.__version__}", "cases": [\n{lines}\n]}}\n')
    for case in cases:
        if "refused" in case:
            print(f'{case["name"]}: {case["refused"]}')


if __name__ == "__main__":
    main()
