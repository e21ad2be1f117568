#!/usr/bin/env python3
"""Makes tests/text/data/chat/*.cases.json: what transformers renders, or that it refuses.

  make_chat_fixtures.py                             from the project's own templates, tests/text/data/chat/*.jinja, and
                                                    the snippets of tools/chat_snippets.py
  make_chat_fixtures.py --templates DIR --out DIR   from others, over many more conversations; DSTORCH_CHAT_CASES=DIR
                                                    makes the tests read them

Needs transformers 5.18 and jinja2 3.1.6."""
import argparse
import copy
import datetime
import json
import pathlib

import chat_conversations
import chat_snippets
from transformers.utils import chat_template_utils

ROOT = pathlib.Path(__file__).resolve().parent.parent
NOW = datetime.datetime(2025, 3, 9, 14, 5, 7, 123456)


class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


chat_template_utils.datetime = Clock


def render(template, variables):
    """The text, or None where it is refused."""
    try:
        text = chat_template_utils._compile_jinja_template(template).render(**copy.deepcopy(variables))
        text.encode()  # half a surrogate pair is no text
        return text
    except Exception:  # whatever a template makes Python raise is a refusal
        return None


def write(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--templates", type=pathlib.Path)
    args.add_argument("--out", type=pathlib.Path, default=ROOT / "tests/text/data/chat")
    args = args.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    conversations = list(chat_conversations.everything() if args.templates else chat_conversations.some())
    # "conversations" is shared by all of the folder's cases.
    write(args.out / "conversations.json", conversations)
    for path in sorted((args.templates or args.out).glob("*.jinja")):
        template = path.read_bytes().decode()
        texts = [render(template, variables) for variables in conversations]
        write(args.out / f"{path.stem}.cases.json", {"template": template, "texts": texts})
        print(path.stem, len(texts), "refused:", sum(text is None for text in texts))
    if not args.templates:
        texts = [render(snippet, chat_snippets.VARIABLES) for snippet in chat_snippets.SNIPPETS]
        write(args.out / "snippets.json", {"variables": chat_snippets.VARIABLES, "snippets": list(zip(chat_snippets.SNIPPETS, texts))})
        print("snippets", len(texts), "refused:", sum(text is None for text in texts))


if __name__ == "__main__":
    main()
