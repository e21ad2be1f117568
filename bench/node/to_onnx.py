#!/usr/bin/env python3
"""Writes a model directory of Llama's shape (bench_random_model's, say) as an ONNX model of the same weights in float32, as
transformers.js runs it: one graph whose attention is ONNX Runtime's GroupQueryAttention over a cache.

    bench/node/to_onnx.py MODEL OUT     OUT/config.json, OUT/generation_config.json, OUT/onnx/model.onnx

Needs the Python packages onnx and numpy; nothing of dstorch's build or tests needs this file.
"""
import json
import pathlib
import sys

import numpy
from onnx import TensorProto, helper, numpy_helper, save

from to_gguf import tensors

FUSED = "com.microsoft"


class Graph:
    """A graph that grows; each function returns the name of what it computes."""

    def __init__(self, weights):
        self.weights = weights
        self.nodes = []
        self.constants = {}

    def constant(self, name, values):
        self.constants.setdefault(name, numpy_helper.from_array(values, name))
        return name

    def node(self, kind, inputs, outputs=None, domain="", **attributes):
        outputs = outputs or [f"v{len(self.nodes)}"]
        self.nodes.append(helper.make_node(kind, inputs, outputs, domain=domain, **attributes))
        return outputs[0]

    def linear(self, x, name):
        return self.node("MatMul", [x, self.constant(name, numpy.ascontiguousarray(self.weights[name].T))])

    def norm(self, x, name, epsilon):
        return self.node("SimplifiedLayerNormalization", [x, self.constant(name, self.weights[name])], axis=-1, epsilon=epsilon)


def rope_tables(config, dim):
    """cos and sin of every position's angles, [positions, dim / 2]."""
    speeds = config.get("rope_theta", 10000.0) ** (-numpy.arange(0, dim, 2, dtype=numpy.float64) / dim)
    angles = numpy.outer(numpy.arange(config["max_position_embeddings"]), speeds)
    return numpy.cos(angles).astype(numpy.float32), numpy.sin(angles).astype(numpy.float32)


def build(config, weights):
    """The model, with inputs and outputs named as transformers.js names them."""
    graph = Graph(weights)
    heads, kv_heads = config["num_attention_heads"], config.get("num_key_value_heads", config["num_attention_heads"])
    dim, epsilon = config["hidden_size"] // heads, config["rms_norm_eps"]
    cos, sin = rope_tables(config, dim)
    tables = [graph.constant("cos", cos), graph.constant("sin", sin)]
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch_size", length])
              for name, length in (("input_ids", "sequence_length"), ("attention_mask", "total_sequence_length"))]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch_size", "sequence_length", config["vocab_size"]])]

    # Each row's last position, and how many there are: what the attention takes instead of a mask.
    one = graph.constant("one", numpy.array([1], numpy.int64))
    length = graph.node("ReduceSum", ["attention_mask", one], keepdims=0)
    last = graph.node("Cast", [graph.node("Sub", [length, one])], to=TensorProto.INT32)
    all_positions = graph.node("Gather", [graph.node("Shape", ["attention_mask"]), graph.constant("1", numpy.array(1, numpy.int64))])
    total = graph.node("Cast", [all_positions], to=TensorProto.INT32)

    table = graph.constant("model.embed_tokens.weight", weights["model.embed_tokens.weight"])
    x = graph.node("Gather", [table, "input_ids"])  # [batch, new, hidden]
    for i in range(config["num_hidden_layers"]):
        prefix = f"model.layers.{i}."
        past = [f"past_key_values.{i}.{kind}" for kind in ("key", "value")]
        present = [f"present.{i}.{kind}" for kind in ("key", "value")]
        inputs += [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch_size", kv_heads, "past_sequence_length", dim]) for name in past]
        outputs += [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch_size", kv_heads, "total_sequence_length", dim]) for name in present]
        normed = graph.norm(x, prefix + "input_layernorm.weight", epsilon)
        q, k, v = (graph.linear(normed, f"{prefix}self_attn.{part}_proj.weight") for part in "qkv")
        attended = graph.node("GroupQueryAttention", [q, k, v, *past, last, total, *tables], [f"attended{i}", *present], FUSED,
                              num_heads=heads, kv_num_heads=kv_heads, do_rotary=1)
        x = graph.node("Add", [x, graph.linear(attended, prefix + "self_attn.o_proj.weight")])
        normed = graph.norm(x, prefix + "post_attention_layernorm.weight", epsilon)
        gate, up = (graph.linear(normed, f"{prefix}mlp.{part}_proj.weight") for part in ("gate", "up"))
        active = graph.node("Mul", [graph.node("Mul", [gate, graph.node("Sigmoid", [gate])]), up])
        x = graph.node("Add", [x, graph.linear(active, prefix + "mlp.down_proj.weight")])
    head = "model.embed_tokens.weight" if config.get("tie_word_embeddings") else "lm_head.weight"
    normed = graph.norm(x, "model.norm.weight", epsilon)
    transposed = graph.constant("head", numpy.ascontiguousarray(weights[head].T))
    graph.node("MatMul", [normed, transposed], ["logits"])
    whole = helper.make_graph(graph.nodes, "llama", inputs, outputs, list(graph.constants.values()))
    versions = [helper.make_opsetid("", 17), helper.make_opsetid(FUSED, 1)]
    return helper.make_model(whole, opset_imports=versions, ir_version=8)


def main():
    directory, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    config = json.loads((directory / "config.json").read_text())
    (out / "onnx").mkdir(parents=True, exist_ok=True)
    save(build(config, dict(tensors(directory / "model.safetensors"))), out / "onnx" / "model.onnx")
    (out / "config.json").write_text(json.dumps(config))
    (out / "generation_config.json").write_text("{}")


if __name__ == "__main__":
    main()
