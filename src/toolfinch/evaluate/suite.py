"""Suites: the examples that an evaluation runs over.

Some come with the package (`BUILT_IN`), some are public data that one brings along (`PUBLIC`,
docs/suites.md), and anything else is a file of OpenAI chat JSON lines, gzipped or not. Every assistant turn
that is not marked `skip` is an example. Left out: fetching public data.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from toolfinch.data.curate import Dropped
from toolfinch.data.readers import openai_chat
from toolfinch.errors import DataError, UsageError
from toolfinch.example import Example, examples

T = TypeVar("T")
BUILT_IN = ("frozen_200", "unseen_tools_100", "forty", "dependencies")
PUBLIC = {
    "seal_tools": "toolfinch.evaluate.suites.seal_tools",
    "nestful": "toolfinch.evaluate.suites.nestful",
    "api_bank": "toolfinch.evaluate.suites.api_bank",
    "when2call": "toolfinch.evaluate.suites.when2call",
    "toolcall15": "toolfinch.evaluate.suites.toolcall15",
    "local_agent_bench": "toolfinch.evaluate.suites.local_agent_bench",
}
"""Suites whose data is not in the package, by name, with the module that reads them."""
_SUITES = Path(__file__).parent / "suites"


def load(name_or_path: str | Path, data: Path | None = None) -> list[Example]:
    """The examples of a suite that comes with the package, of a public one, or of a file, in its order.

    `data` is the folder of a public suite. Raises DataError naming the file and the first row that cannot be
    read: a suite with a hole in it would be another suite.
    """
    return read(name_or_path, data)[0]


def read(name_or_path: str | Path, data: Path | None = None) -> tuple[list[Example], list[Dropped]]:
    """`load`, and the rows of a public suite that are left out on purpose, each with its reason."""
    if name_or_path in PUBLIC:
        return _public(str(name_or_path), data)
    if data is not None:
        raise UsageError(f"{name_or_path}: takes no data folder", hint=f"those do: {', '.join(PUBLIC)}")
    path = _SUITES / f"{name_or_path}.jsonl" if name_or_path in BUILT_IN else Path(name_or_path)
    if not path.is_file():
        raise DataError(
            f"{path}: no such suite",
            hint=f"built in: {', '.join(BUILT_IN)}; with --data: {', '.join(PUBLIC)}; else give a file",
        )
    conversations, _ = openai_chat.read(path, strict=True)
    found = [example for conversation in conversations for example in examples(conversation)]
    if not found:
        raise DataError(f"{path}: there is no assistant turn in it to measure")
    return found, []


def spread(cases: Sequence[T], groups: int, group: Callable[[T], str]) -> list[T]:
    """The cases of so many groups (conversations, scenarios), evenly spaced over the suite; all where it is 0."""
    names = list(dict.fromkeys(map(group, cases)))
    if not 0 < groups < len(names):
        return list(cases)
    chosen = {names[i * len(names) // groups] for i in range(groups)}
    return [case for case in cases if group(case) in chosen]


def _public(name: str, data: Path | None) -> tuple[list[Example], list[Dropped]]:
    about = "docs/suites.md says where it is from and which files it has"
    if data is None:
        raise UsageError(f"{name}: its data is not part of the package; needs --data FOLDER", hint=about)
    if not data.is_dir():
        raise DataError(f"{data}: no such folder", hint=about)
    found: list[Example] = []
    dropped: list[Dropped] = []
    try:
        for one in importlib.import_module(PUBLIC[name]).read(data):
            if isinstance(one, Dropped):
                dropped.append(one)
            else:
                found.append(one)
    except DataError as error:
        raise DataError(f"{name}: {error}", hint=error.hint or about) from error
    if not found:
        raise DataError(f"{name}: {data}: no row of it can be measured", hint=about)
    return found, dropped
