"""Whether a text is JSON of a schema, as jsonschema sees it, with its checks of formats.

Needs jsonschema 4.26 with rfc3339-validator, rfc3987-syntax or rfc3987, fqdn, isoduration, webcolors."""
import json
import pathlib
import subprocess
import tempfile
import warnings

warnings.filterwarnings("ignore")
from jsonschema import Draft202012Validator


def validator(schema):
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


def unique(pairs):
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a key twice")
    return dict(pairs)


def accepted(judge, text):
    try:
        return judge.is_valid(json.loads(text, object_pairs_hook=unique, parse_constant=lambda name: 1 / 0))
    except (ValueError, ZeroDivisionError):
        return False


def answers(program, schemas, count, models=()):
    """For each schema, the texts that tests/fixtures/constraint_answers.cpp writes."""
    with tempfile.TemporaryDirectory() as directory:
        asked, written = pathlib.Path(directory) / "schemas.json", pathlib.Path(directory) / "answers.json"
        asked.write_text(json.dumps(schemas))
        subprocess.run([program, asked, written, str(count), *models], check=True)
        return json.loads(written.read_text())
