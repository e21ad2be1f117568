#!/usr/bin/env python3
"""Hugging Face's tokenizer and dstorch's on one thread, on the same text, taking turns.

    python bench/tokenizer_compare.py BENCH_BINARY TOKENIZER_JSON TEXT_FILE [--rounds 5]

BENCH_BINARY: the built bench_tokenizer. Prints MB/s of processor time of both (the best of the rounds) and their ratio. The
first encoding of a fresh tokenizer, whose cache is empty, is timed too.
"""
import argparse
import json
import os
import pathlib
import subprocess
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"
from tokenizers import Tokenizer  # noqa: E402  (reads the environment)


def ours(args, name):
    env = dict(os.environ, DSTORCH_BENCH_TOKENIZER=str(args.tokenizer), DSTORCH_BENCH_TEXT=str(args.text))
    out = subprocess.run([args.bench, f"--benchmark_filter=^{name}(/|$)", "--benchmark_format=json"], env=env, check=True,
                         capture_output=True, text=True).stdout
    return json.loads(out)["benchmarks"][0]["bytes_per_second"] / 1e6


def seconds(call):
    start = time.process_time()
    call()
    return time.process_time() - start


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bench")
    parser.add_argument("tokenizer", type=pathlib.Path)
    parser.add_argument("text", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    text = args.text.read_bytes().decode("utf-8")
    size = len(text.encode()) / 1e6
    warm_theirs, warm_ours, first_theirs, first_ours = [], [], [], []
    for _ in range(args.rounds):
        reference = Tokenizer.from_file(str(args.tokenizer))
        first_theirs.append(size / seconds(lambda: reference.encode(text)))
        warm_theirs.append(size / seconds(lambda: reference.encode(text)))
        warm_ours.append(ours(args, "encode"))
        first_ours.append(ours(args, "encode_first"))
    for what, theirs, mine in (("warm", warm_theirs, warm_ours), ("first", first_theirs, first_ours)):
        print(f"{what:>5}: tokenizers {max(theirs):.2f} MB/s, dstorch {max(mine):.2f} MB/s, ratio {max(mine) / max(theirs):.1f}")


if __name__ == "__main__":
    main()
