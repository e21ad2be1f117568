#!/usr/bin/env python3
"""Makes tests/text/data/constraint.json: schemas, texts that the constraint must take, and texts that it must not.

  cmake --build build/release --target constraint_answers
  make_constraint_fixtures.py build/release/tests/constraint_answers

Answers come from the constraint itself, at random; changed ones from changing their bytes and values. jsonschema, with
its checks of formats, says which are right. An answer that it does not take ends the script: then the compiler is wrong.
Needs what tools/json_judge.py says."""
import json
import pathlib
import random
import sys

import constraint_schemas
import json_judge

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests/text/data/constraint.json"
KEPT = 4  # of each kind, in the file


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
    drawn = json_judge.answers(sys.argv[1], constraint_schemas.SCHEMAS, 40)
    rng = random.Random(1)
    cases, judged = [], 0
    for schema, texts in zip(constraint_schemas.SCHEMAS, drawn, strict=True):
        judge = json_judge.validator(schema)
        right, wrong = [], []
        for text in texts:
            judged += 1
            if not json_judge.accepted(judge, text):
                sys.exit(f"{json.dumps(schema)} must not allow {text}")
            if len(text) < 200:
                right.append(text)
            for _ in range(10):
                changed = change(rng, text)
                if len(changed) < 200 and not json_judge.accepted(judge, changed):
                    wrong.append(changed)
        cases.append({"schema": schema, "accepted": sorted(set(right), key=lambda t: (len(t), t))[::max(1, len(set(right)) // KEPT)][:KEPT],
                      "rejected": rng.sample(sorted(set(wrong)), min(2 * KEPT, len(set(wrong))))})
    OUT.write_text("[\n" + ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases) + "\n]\n")
    print(f"{judged} answers of {len(cases)} schemas are right")


if __name__ == "__main__":
    main()
