"""The schema-guided dialogues: every assistant turn of the test split's conversations.

[Rastogi et al. 2019](https://arxiv.org/abs/1909.05855). Source:
https://github.com/google-research-datasets/dstc8-schema-guided-dialogue, CC BY-SA 4.0, laid out as a log of an
assistant. Files: `test.jsonl.gz` (a conversation a line: `session_id`, `services`, `tools` and `messages` in
the OpenAI chat shape), `test.tools.json` and `train.tools.json` (the tools of a split by service).

What one decision is: a turn of the assistant, after the true turns before it; the same ones that `toolfinch
eval --suite test.jsonl.gz` measures. The scenarios say where the turn stands and what is due: after words of
the user `call`, `ask` or `say`; after a result words are always due, `after a result` or `after a failed
result`. Tags: `unseen services` where one of the conversation's services is not in `train.tools.json`, else
`seen services`.

Own scoring: the state of the dialogue (which slots have which values) after each turn of the user, by joint
goal accuracy, with fuzzy comparison of free values. Here a call counts once, when it is made, and its values
are compared as they stand in the log; a caller that asks for a confirmation which the log does not ask for is
wrong, and so is the reverse.

Left out: the splits to train on, and calls that do not fit their tool's schema.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from toolfinch.data import dataset
from toolfinch.data.funnel import Dropped
from toolfinch.data.readers import log
from toolfinch.errors import DataError
from toolfinch.evaluate.suites import rows
from toolfinch.example import Conversation, Example, examples

_SERVICE = "service:"
"""How `data.dataset` tags a row's services."""


class Result(msgspec.Struct, frozen=True):
    """What a tool returned, as far as it tells whether it failed."""

    error: str | None = None


def read(folder: Path) -> Iterator[Example | Dropped]:
    """Raises DataError naming file and row for what cannot be read, and for a service without tools."""
    trained = _services(folder / "train.tools.json")
    measured = _services(folder / "test.tools.json")
    conversations, report = log.read(folder / "test.jsonl.gz", format="openai_chat", strict=True)
    yield from report.skipped
    for one in conversations:
        tag = _tag(one, trained, measured, folder)
        for example in examples(one):
            scenario = _scenario(example, folder)
            yield rows.checked(msgspec.structs.replace(example, scenario=scenario, tags=(tag,)))


def _services(path: Path) -> frozenset[str]:
    return frozenset(rows.document(path, dict[str, list[dict[str, Any]]]))


def _tag(one: Conversation, trained: frozenset[str], measured: frozenset[str], folder: Path) -> str:
    services = {tag.removeprefix(_SERVICE) for tag in one.tags if tag.startswith(_SERVICE)}
    if not services:
        raise DataError(f"{folder / one.source}: names no services")
    if unknown := services - measured:
        raise DataError(f"{folder / one.source}: service {min(unknown)!r} is not in test.tools.json")
    return "seen services" if services <= trained else "unseen services"


def _scenario(example: Example, folder: Path) -> str:
    last = example.messages[-1] if example.messages else None
    if last is None or last.result is None:
        return example.expected.kind
    try:
        result = msgspec.json.decode(last.content, type=Result)
    except dataset.NOT_JSON as error:
        raise DataError(f"{folder / example.source}: the result before {example.id}: {error}") from error
    return "after a failed result" if result.error else "after a result"
