"""Suites: the examples that an evaluation runs over.

`frozen_200` and `unseen_tools_100` come with the package; anything else is a file of OpenAI chat JSON lines,
gzipped or not. Every assistant turn that is not marked `skip` is an example. Public benchmarks are left out.
"""

from __future__ import annotations

from pathlib import Path

from toolfinch.data.readers import openai_chat
from toolfinch.errors import DataError
from toolfinch.example import Example, examples

BUILT_IN = ("frozen_200", "unseen_tools_100")
_SUITES = Path(__file__).parent / "suites"


def load(name_or_path: str | Path) -> list[Example]:
    """The examples of a built-in suite or a file, in the file's order.

    Raises DataError naming the file and the first row that cannot be read: a suite with a hole in it would
    be another suite.
    """
    path = _SUITES / f"{name_or_path}.jsonl" if name_or_path in BUILT_IN else Path(name_or_path)
    if not path.is_file():
        raise DataError(f"{path}: no such suite", hint=f"built in: {', '.join(BUILT_IN)}; else give a file")
    conversations, _ = openai_chat.read(path, strict=True)
    found = [example for conversation in conversations for example in examples(conversation)]
    if not found:
        raise DataError(f"{path}: there is no assistant turn in it to measure")
    return found
