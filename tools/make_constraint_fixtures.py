#!/usr/bin/env python3
"""Makes tests/text/data/constraint.json: schemas, texts that the constraint must take, and texts that it must not.

  make_constraint_fixtures.py TEST_TEXT    the built program of tests/text, which writes the answers to judge

Answers come from the constraint itself, at random; changed ones from changing their bytes and values. jsonschema, with
its checks of formats, says which are right. An answer that it does not take ends the script: then the compiler is wrong.
Needs jsonschema 4.26 with rfc3339-validator, rfc3987-syntax or rfc3987, fqdn, isoduration, webcolors."""
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import warnings

warnings.filterwarnings("ignore")
import constraint_schemas
from jsonschema import Draft202012Validator

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests/text/data/constraint.json"
KEPT = 4  # of each kind, in the file


def unique(pairs):
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a key twice")
    return dict(pairs)


def accepted(validator, text):
    try:
        return validator.is_valid(json.loads(text, object_pairs_hook=unique, parse_constant=lambda name: 1 / 0))
    except (ValueError, ZeroDivisionError):
        return False


def change(rng, text):
    """The text with something in it wrong, or another."""
    at = rng.randrange(len(text) + 1)
    kind = rng.randrange(5)
    if kind == 0:
        return text[:at] + text[at + 1:]
    if kind == 1:
        return text[:at] + rng.choice('{}[],:"0123456789abcdefnulltrue -.eE\\') + text[at:]
    if kind == 2:
        return text[:at] + rng.choice('{}[],:"0123456789abz') + text[at + 1:]
    if kind == 3:
        return rng.choice(['{}', '[]', '""', '0', '-1', '1.5', 'null', 'true', '{"a":1}', '[1,1]', '"a"', '{"a":1,"a":2}', '1e5'])
    return text[:at]


def main():
    with tempfile.TemporaryDirectory() as directory:
        schemas = pathlib.Path(directory) / "schemas.json"
        schemas.write_text(json.dumps(constraint_schemas.SCHEMAS))
        answers = pathlib.Path(directory) / "answers.json"
        subprocess.run([sys.argv[1], "--gtest_brief=1", "--gtest_filter=ConstraintSchema.WritesAnswers"], check=True,
                       env={**os.environ, "DSTORCH_CONSTRAINT_SCHEMAS": schemas, "DSTORCH_CONSTRAINT_ANSWERS": answers})
        drawn = json.loads(answers.read_text())
    rng = random.Random(1)
    cases, judged = [], 0
    for schema, texts in zip(constraint_schemas.SCHEMAS, drawn, strict=True):
        validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
        right, wrong = [], []
        for text in texts:
            judged += 1
            if not accepted(validator, text):
                sys.exit(f"{json.dumps(schema)} must not allow {text}")
            if len(text) < 200:
                right.append(text)
            for _ in range(10):
                changed = change(rng, text)
                if len(changed) < 200 and not accepted(validator, changed):
                    wrong.append(changed)
        cases.append({"schema": schema, "accepted": sorted(set(right), key=lambda t: (len(t), t))[::max(1, len(set(right)) // KEPT)][:KEPT],
                      "rejected": rng.sample(sorted(set(wrong)), min(2 * KEPT, len(set(wrong))))})
    OUT.write_text("[\n" + ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases) + "\n]\n")
    print(f"{judged} answers of {len(cases)} schemas are right")


if __name__ == "__main__":
    main()
