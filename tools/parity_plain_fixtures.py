"""The fixtures that are no Hugging Face models; see make_parity_fixtures.py.

simple/       state dicts of torch.nn.Sequential and simple.json: for each its sizes, prompts and outputs
stacks/       state dicts of other stacks of linear layers, and stacks.json
torchscript/  archives and torchscript.json
"""
import collections
import json
import shutil
import tempfile

import torch
from torch import nn

PROMPTS = ["Hello", "", "a", "Grüße, 世界! 🙂", "x" * 40]


def encode(prompt, input_size):
    """The framework's input: the prompt's length as JavaScript counts it (UTF-16), or its UTF-8 bytes / 255, padded with zeros or cut."""
    if input_size == 1:
        return torch.tensor([[float(len(prompt.encode("utf-16-le")) // 2)]])
    data = prompt.encode()[:input_size]
    return torch.tensor([[b / 255 for b in data] + [0.0] * (input_size - len(data))])


def network(input_size, hidden_size, output_size, num_layers):
    steps = [nn.Linear(input_size, hidden_size), nn.ReLU()]
    for _ in range(num_layers - 1):
        steps += [nn.Linear(hidden_size, hidden_size), nn.ReLU()]
    return nn.Sequential(*steps, nn.Linear(hidden_size, output_size)).eval()


def answers(model, input_size):
    with torch.no_grad():
        return [dict(prompt=p, output=model(encode(p, input_size))[0].tolist()) for p in PROMPTS]


def fresh(folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


# file: (architecture, how it is saved)
SIMPLE = {
    "one_input.pt": ((1, 8, 10, 1), "zip"),
    "three_layers.pth": ((16, 32, 4, 3), "legacy"),
    "odd_sizes.bin": ((7, 5, 3, 2), "plain dict"),
    "nested.pt": ((12, 9, 1, 2), "nested"),
    "half.safetensors": ((20, 11, 6, 1), "bfloat16"),
}


def make_simple(folder):
    from safetensors.torch import save_file

    fresh(folder)
    torch.manual_seed(7)
    cases = []
    for file, (sizes, how) in SIMPLE.items():
        model = network(*sizes)
        path = str(folder / file)
        if how == "zip":
            torch.save(model.state_dict(), path)
        elif how == "legacy":
            torch.save(model.state_dict(), path, _use_new_zipfile_serialization=False)
        elif how == "plain dict":
            torch.save(dict(model.state_dict()), path)
        elif how == "nested":
            torch.save({"epoch": 3, "state_dict": model.state_dict(), "best": 0.5}, path)
        else:
            model.to(torch.bfloat16)
            save_file(model.state_dict(), path)
            model.to(torch.float32)  # the reference computes in float32 on the rounded weights
        cases.append(dict(file=file, architecture=sizes, cases=answers(model, sizes[0])))
    (folder / "simple.json").write_text(json.dumps(cases, indent=1) + "\n")


class Wide(nn.Module):
    """Linear layers of unequal widths under other names than a Sequential's, some without a bias."""

    def __init__(self, widths, names, bias):
        super().__init__()
        self.names = names
        for name, inner, outer, has_bias in zip(names, widths, widths[1:], bias):
            self.add_module(name, nn.Linear(inner, outer, bias=has_bias))

    def forward(self, x):
        for name in self.names[:-1]:
            x = torch.relu(self.get_submodule(name)(x))
        return self.get_submodule(self.names[-1])(x)


class Wrapped(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net(x)


class Bare(nn.Module):
    """Parameters of no submodule."""

    def __init__(self, widths):
        super().__init__()
        self.count = len(widths) - 1
        for i, (inner, outer) in enumerate(zip(widths, widths[1:])):
            self.register_parameter(f"w{i}", nn.Parameter(torch.randn(outer, inner)))
            self.register_parameter(f"b{i}", nn.Parameter(torch.randn(outer)))

    def forward(self, x):
        for i in range(self.count):
            x = nn.functional.linear(x, getattr(self, f"w{i}"), getattr(self, f"b{i}"))
            x = torch.relu(x) if i + 1 < self.count else x
        return x


# Twelve square layers: only the order tells them apart, and by letters fc10 comes before fc2.
TWELVE = [f"fc{i}" for i in range(12)]


def make_stacks(folder):
    """stacks/: state dicts of stacks that are no Sequential of one width, and stacks.json."""
    from safetensors.torch import save_file

    fresh(folder)
    torch.manual_seed(11)
    made = {
        "unequal": Wide([5, 9, 7, 3], ["fc1", "fc2", "fc3"], [True, True, True]),
        "no_biases": Wide([5, 9, 9, 3], ["up", "between", "down"], [False, False, False]),
        "some_biases": Wide([5, 9, 9, 3], ["a", "b", "c"], [True, False, True]),
        "by_order": Wide([4, 4, 4, 4], ["z", "m", "a"], [True, True, True]),
        "twelve": Wide([4] * 13, TWELVE, [True] * 12),
        "wrapped": Wrapped(network(6, 8, 2, 2)),
        "bare": Bare([5, 8, 8, 2]),
    }
    cases = []
    for name, model in made.items():
        model.eval()
        state = model.state_dict()
        size = next(iter(state.values())).shape[1]
        files = [f"{name}.pt"] + ([] if name in ("no_biases", "by_order") else [f"{name}.safetensors"])
        torch.save(state, folder / files[0])
        if len(files) > 1:
            save_file(state, str(folder / files[1]))
        for file in files:
            cases.append(dict(file=file, parameters=sum(p.numel() for p in model.parameters()),
                              outputs=list(state.values())[-1].shape[0], cases=answers(model, size)))
    (folder / "stacks.json").write_text(json.dumps(cases, indent=1) + "\n")


class TinyLM(nn.Module):
    """One attention layer, ids [1, T] to logits [1, T, vocab], for any T."""

    def __init__(self, vocab=50, hidden=16):
        super().__init__()
        self.embed = nn.Embedding(vocab, hidden)
        self.positions = nn.Embedding(64, hidden)
        self.qkv = nn.Linear(hidden, 3 * hidden)
        self.out = nn.Linear(hidden, hidden)
        self.norm = nn.LayerNorm(hidden)
        self.head = nn.Linear(hidden, vocab)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        length = ids.size(1)
        x = self.embed(ids) + self.positions(torch.arange(length))
        q, k, v = self.qkv(x).chunk(3, dim=2)
        scores = torch.matmul(q, k.transpose(1, 2)) / 4.0
        future = torch.ones([length, length]).triu(1).to(torch.bool)
        weights = scores.masked_fill(future, -1e9).softmax(dim=2)
        return self.head(self.norm(x + self.out(torch.matmul(weights, v))))


def save_script(module, path):
    """`module.save` without its debug records, which hold the paths of this machine's Python files."""
    with tempfile.TemporaryDirectory() as scratch:
        module.save(f"{scratch}/{path.name}")
        reader = torch._C.PyTorchFileReader(f"{scratch}/{path.name}")
        writer = torch._C.PyTorchFileWriter(str(path))
        for name in reader.get_all_records():
            made_by_writer = name in ("version", "byteorder") or name.startswith(".data/")
            if not made_by_writer and not name.endswith(".debug_pkl"):
                record = reader.get_record(name)
                writer.write_record(name, record, len(record))
        writer.write_end_of_file()


def make_torchscript(folder):
    fresh(folder)
    torch.manual_seed(8)
    sizes = (6, 10, 4, 2)
    model = network(*sizes)
    save_script(torch.jit.trace(model, torch.zeros(1, sizes[0])), folder / "network.pt")
    cases = answers(model, sizes[0])

    torch.manual_seed(9)
    lm = TinyLM().eval()
    with torch.no_grad():
        for parameter in lm.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        save_script(torch.jit.script(lm), folder / "lm.pt")
        ids = torch.randint(0, 50, (12,)).tolist()
        logits = lm(torch.tensor([ids]))[0]
        answer = list(ids)
        for _ in range(20):
            answer.append(int(lm(torch.tensor([answer]))[0, -1].argmax()))
    (folder / "torchscript.json").write_text(json.dumps(
        dict(network=dict(input_size=sizes[0], output_size=sizes[2], cases=cases),
             lm=dict(prompt=ids, logits=[row.tolist() for row in logits[[0, 5, 11]]], lengths=[1, 6, 12],
                     greedy=answer[12:])), indent=1) + "\n")
