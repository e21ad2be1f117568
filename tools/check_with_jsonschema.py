#!/usr/bin/env python3
"""Whether each answer that is held to a JSON schema is JSON of it, as Python's jsonschema sees it.

    cmake --build build/release --target constraint_answers
    python3 tools/check_with_jsonschema.py build/release/tests/constraint_answers [COUNT [MODEL...]]

A trained model and a random one (or MODEL...) write COUNT answers of each of 200 schemas at a temperature of 1.5, a third
of them with as few tokens as are enough; as many are drawn from the languages. Needs what tools/json_judge.py says."""
import json
import pathlib
import sys

import constraint_schemas
import json_judge

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODELS = [ROOT / "models/default", ROOT / "tests/parity/fixtures/text/model"]


def main():
    program, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 20
    schemas = constraint_schemas.SCHEMAS
    for models in ((), sys.argv[3:] or MODELS):
        judged = 0
        for schema, texts in zip(schemas, json_judge.answers(program, schemas, count, models), strict=True):
            judge = json_judge.validator(schema)
            for text in texts:
                judged += 1
                if not json_judge.accepted(judge, text):
                    sys.exit(f"{json.dumps(schema)} must not allow {text}")
        assert judged >= count * len(schemas)
        print(f"{judged} answers of {len(schemas)} schemas are right,", "written by models" if models else "drawn from the languages")


if __name__ == "__main__":
    main()
