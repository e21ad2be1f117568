#!/usr/bin/env python3
"""Makes tests/data/config_defaults.json: what Hugging Face's configuration classes assume for keys that a config.json
leaves out. Needs the Python package transformers (made with 5.x); the test is tests/models/config_defaults_test.cpp."""

import json
import pathlib

import transformers

# 32 heads, since the default number of key and value heads must divide it; heads of 8, so that rope_theta shows.
SHAPE = {"vocab_size": 40, "hidden_size": 256, "intermediate_size": 48, "num_hidden_layers": 4, "num_attention_heads": 32}
# The sixth layer of Gemma 3 is the first that sees everything; a quarter of GPT-NeoX's heads must show rope_theta.
WIDE_SHAPE = dict(SHAPE, num_hidden_layers=6, num_attention_heads=8)
GPT2_SHAPE = {"vocab_size": 40, "n_embd": 64, "n_layer": 2, "n_head": 4}
KEYS = ["num_key_value_heads", "head_dim", "max_position_embeddings", "rms_norm_eps", "hidden_act", "attention_bias",
        "mlp_bias", "tie_word_embeddings", "sliding_window", "use_sliding_window", "max_window_layers",
        "no_rope_layer_interval", "hidden_activation", "query_pre_attn_scalar", "layer_types",
        "layer_norm_eps", "use_parallel_residual", "embedding_multiplier", "residual_multiplier", "attention_multiplier", "logits_scaling",
        "attn_logit_softcapping", "final_logit_softcapping"]
GPT2_KEYS = ["n_positions", "layer_norm_epsilon", "activation_function", "tie_word_embeddings"]


def defaults(model_type):
    gpt2 = model_type == "gpt2"
    gemma3 = model_type == "gemma3_text"
    shape = GPT2_SHAPE if gpt2 else WIDE_SHAPE if model_type in ("gemma2", "gemma3_text", "gpt_neox") else SHAPE
    config = transformers.AutoConfig.for_model(model_type, **shape)
    found = {key: getattr(config, key) for key in (GPT2_KEYS if gpt2 else KEYS) if hasattr(config, key)}
    if gemma3:
        found["rope_theta"] = config.rope_parameters["full_attention"]["rope_theta"]
        found["rope_local_base_freq"] = config.rope_parameters["sliding_attention"]["rope_theta"]
    elif model_type == "gpt_neox":
        found["rotary_emb_base"] = config.rope_parameters["rope_theta"]
        found["rotary_pct"] = config.rope_parameters["partial_rotary_factor"]
    elif not gpt2:
        found["rope_theta"] = config.rope_parameters["rope_theta"]
    return {"config": {"model_type": model_type, **shape}, "defaults": found}


def main():
    types = ["gemma2", "gemma3_text", "gpt2", "gpt_neox", "granite", "llama", "mistral", "olmo2", "phi3", "qwen2", "qwen3", "smollm3"]
    made = {"transformers": transformers.__version__, "models": [defaults(t) for t in types]}
    path = pathlib.Path(__file__).resolve().parent.parent / "tests/data/config_defaults.json"
    path.write_text(json.dumps(made, indent=1) + "\n")


if __name__ == "__main__":
    main()
