#!/usr/bin/env python3
"""Makes tests/io/data: small checkpoints as PyTorch and safetensors write them, and what they hold as expected.json.

Needs torch >= 2.6 and safetensors. The tests need neither. Run from anywhere: tools/make_io_fixtures.py
"""

import argparse
import collections
import json
import pathlib
import struct
import warnings

import torch
from safetensors import safe_open
from safetensors.torch import save_file

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "tests" / "io" / "data"

DTYPES = [
    torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16, torch.bfloat16,
    torch.float32, torch.float64, torch.complex64, torch.complex128, torch.uint16, torch.uint32, torch.uint64,
    torch.float8_e4m3fn, torch.float8_e5m2,
]
# Types that nothing here computes with; a checkpoint may hold them all the same.
NARROW_DTYPES = [torch.float8_e4m3fnuz, torch.float8_e5m2fnuz, torch.float8_e8m0fnu, torch.float4_e2m1fn_x2]
# Types that older formats and safetensors do not have.
NOT_IN_SAFETENSORS = {torch.complex128}


def tensor_of(dtype, count=6):
    if dtype == torch.bool:
        return torch.tensor([True, False, True, True, False, False]).reshape(2, 3)
    if dtype.is_complex:
        return torch.complex(torch.arange(6, dtype=torch.float64) - 2.5, torch.arange(6, dtype=torch.float64)).to(
            dtype).reshape(2, 3)
    base = torch.arange(count, dtype=torch.float64) * 1.5
    if dtype.is_floating_point or dtype in (torch.int8, torch.int16, torch.int32, torch.int64):
        base = base - 3
    return base.to(dtype).reshape(2, 3)


def hex_of(tensor):
    """The bytes of the elements in row-major order."""
    dense = tensor.detach().contiguous().reshape(-1)
    if dense.numel() == 0:
        return ""
    return bytes(dense.view(torch.uint8).tolist()).hex()


def describe(tensors):
    return [{
        "name": name,
        "dtype": str(tensor.dtype).removeprefix("torch."),
        "shape": list(tensor.shape),
        "bytes": hex_of(tensor),
    } for name, tensor in tensors.items()]


EXPECTED = {}


def expect(name, kind, tensors, **more):
    EXPECTED[name] = {"kind": kind, "tensors": describe(tensors), **more}


def save_both(stem, value, tensors, **more):
    """The same object in today's zip and in the format from before 1.6."""
    torch.save(value, FOLDER / f"{stem}.pt")
    expect(f"{stem}.pt", "pytorch zip", tensors, **more)
    torch.save(value, FOLDER / f"{stem}_legacy.pt", _use_new_zipfile_serialization=False)
    expect(f"{stem}_legacy.pt", "pytorch legacy", tensors, **more)


def make_dtypes():
    tensors = {str(dtype).removeprefix("torch."): tensor_of(dtype) for dtype in DTYPES}
    save_both("dtypes", tensors, tensors)
    for protocol in (3, 4, 5):
        torch.save(tensors, FOLDER / f"dtypes_protocol{protocol}.pt", pickle_protocol=protocol)
        expect(f"dtypes_protocol{protocol}.pt", "pytorch zip", tensors)
    kept = {name: tensor for name, tensor in tensors.items() if tensor.dtype not in NOT_IN_SAFETENSORS}
    save_file(kept, FOLDER / "dtypes.safetensors", metadata={"format": "pt", "note": "caf\u00e9"})
    expect("dtypes.safetensors", "safetensors", kept, metadata={"format": "pt", "note": "caf\u00e9"})


def make_narrow_dtypes():
    data = torch.arange(6, dtype=torch.uint8).reshape(2, 3)
    tensors = {str(dtype).removeprefix("torch."): data.view(dtype) for dtype in NARROW_DTYPES}
    save_both("narrow_dtypes", tensors, tensors)
    # safetensors.torch cannot write the types that are narrower than a byte, so the header is made here; what it says
    # is read back with safetensors' own reader.
    sizes = {"F8_E8M0": 6, "F8_E4M3FNUZ": 6, "F8_E5M2FNUZ": 6, "F4": 3, "F6_E2M3": 9, "F6_E3M2": 9}
    shapes = {"F6_E2M3": [3, 4], "F6_E3M2": [3, 4]}
    header, data = {"__metadata__": None}, b""
    for name, size in sizes.items():
        header[name] = {"dtype": name, "shape": shapes.get(name, [2, 3]), "data_offsets": [len(data), len(data) + size]}
        data += bytes(range(size))
    text = json.dumps(header).encode()
    path = FOLDER / "narrow_dtypes.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    names = {torch.float8_e8m0fnu: "F8_E8M0", torch.float8_e4m3fnuz: "F8_E4M3FNUZ", torch.float8_e5m2fnuz: "F8_E5M2FNUZ"}
    as_torch = {name: str(dtype).removeprefix("torch.") for dtype, name in names.items()}
    with safe_open(path, "pt") as file:
        slices = {name: file.get_slice(name) for name in file.keys()}
        rows = [{"name": name, "dtype": as_torch.get(s.get_dtype(), s.get_dtype()), "shape": s.get_shape(),
                 "bytes": bytes(range(sizes[name])).hex()} for name, s in slices.items()]
    EXPECTED["narrow_dtypes.safetensors"] = {"kind": "safetensors", "tensors": rows, "metadata": {}}


def make_views():
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    scalar = torch.tensor(2.5)
    tensors = {
        "base": base,
        "transposed": base.t(),
        "row": base[2],
        "column": base[:, 3],
        "steps": base[1::2, ::3],
        "expanded": torch.tensor([7.0]).expand(3, 2),
        "scalar": scalar,
        "empty": torch.empty(0, 5),
        "permuted": torch.arange(24, dtype=torch.int64).reshape(2, 3, 4).permute(2, 0, 1),
    }
    shared = [["base", "transposed", "row", "column", "steps"]]
    save_both("views", collections.OrderedDict(tensors), tensors, shared=shared)


def make_module():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    # state_dict() is an OrderedDict with _metadata, which the pickle gives it through BUILD.
    save_both("module", net.state_dict(), net.state_dict())
    parameters = dict(net.named_parameters())
    save_both("parameters", parameters, parameters)
    with_attribute = {"w": torch.nn.Parameter(torch.ones(2)), "t": torch.ones(3)}
    with_attribute["t"].note = "kept by Python, not needed here"
    with_attribute["w"].note = 3
    torch.save(with_attribute, FOLDER / "attributes.pt")
    expect("attributes.pt", "pytorch zip", with_attribute)
    return net


def make_nested(net):
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
    net(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    for key in ("state_dict", "model_state_dict", "model"):
        value = {
            "epoch": 3,
            "lr": 1e-3,
            "seed": 2**80,
            "tag": "nightly",
            "raw": b"bytes",
            "best": None,
            "finished": False,
            "device": torch.device("cpu"),
            "dtype": torch.bfloat16,
            "shape": torch.Size([1, 2]),
            "history": [1.0, 2.0, {"loss": 0.5}],
            "names": {"a", "b"},
            key: net.state_dict(),
            "optimizer": optimizer.state_dict(),
            "rng": torch.zeros(4, dtype=torch.uint8),
        }
        save_both(f"nested_{key}", value, net.state_dict())
    inner = {"encoder": {"weight": torch.ones(2), "steps": 4}, "decoder": {"0": {"bias": torch.zeros(3)}}}
    flat = {"encoder.weight": inner["encoder"]["weight"], "decoder.0.bias": inner["decoder"]["0"]["bias"]}
    save_both("dicts_in_dicts", inner, flat)


def make_other_layouts():
    """A state dict beside which tensors lie that have no plain storage: those are left out."""
    dense = torch.tensor([[0.0, 1.0], [2.0, 0.0]])
    parts = [torch.ones(2), torch.ones(3)]
    kept = {"first": torch.arange(3.0), "last": torch.arange(4, dtype=torch.bfloat16)}
    others = {
        "coo": dense.to_sparse(),
        "csr": dense.to_sparse_csr(),
        "bsr": torch.eye(4).to_sparse_bsr((2, 2)),
        "qint8": torch.quantize_per_tensor(dense, 0.1, 3, torch.qint8),
        "quint8": torch.quantize_per_tensor(dense, 0.1, 3, torch.quint8),
        "qint32": torch.quantize_per_tensor(dense, 0.1, 3, torch.qint32),
        "by_channel": torch.quantize_per_channel(dense, torch.tensor([0.1, 0.2]), torch.tensor([0, 0]), 0, torch.qint8),
        "nested": torch.nested.nested_tensor(parts),
        "jagged": torch.nested.nested_tensor(parts, layout=torch.jagged),
        "meta": torch.empty(2, device="meta"),
    }
    save_both("other_layouts", {"first": kept["first"], **others, "last": kept["last"]}, kept)


def make_torchscript():
    class Tiny(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(2))

        def forward(self, x):
            return x * self.weight

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(Tiny()), str(FOLDER / "torchscript.pt"))
    expect("torchscript.pt", "torchscript", {})


def make_shards():
    torch.manual_seed(1)
    tensors = {f"layers.{i}.weight": torch.randn(2, 3) for i in range(4)}
    names = list(tensors)
    parts = [names[:2], names[2:]]
    for folder, extension, kind in (("shards_safetensors", "safetensors", "safetensors"),
                                    ("shards_bin", "bin", "pytorch zip")):
        path = FOLDER / folder
        path.mkdir(exist_ok=True)
        stem = "model" if extension == "safetensors" else "pytorch_model"
        weight_map = {}
        for i, part in enumerate(parts):
            file = f"{stem}-{i + 1:05}-of-00002.{extension}"
            chosen = {name: tensors[name] for name in part}
            if extension == "safetensors":
                save_file(chosen, path / file, metadata={"format": "pt"})
            else:
                torch.save(chosen, path / file)
            weight_map.update({name: file for name in part})
        index = {"metadata": {"total_size": 96}, "weight_map": weight_map}
        (path / f"{stem}.{extension}.index.json").write_text(json.dumps(index, indent=2))
        expect(folder, kind, tensors)
        expect(f"{folder}/{stem}.{extension}.index.json", kind, tensors)


def main():
    argparse.ArgumentParser(description=__doc__).parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    make_dtypes()
    make_narrow_dtypes()
    make_views()
    make_nested(make_module())
    make_other_layouts()
    make_torchscript()
    make_shards()
    (FOLDER / "expected.json").write_text(json.dumps(EXPECTED, indent=1))


if __name__ == "__main__":
    main()
