"""`Judged`: one line of `cases.jsonl`, what one caller made of one case of a suite.

`toolfinch eval` writes a line for every case, right or wrong, and `compare` pairs them. Prompts and replies
are left out: failing cases are in `failures.jsonl` with everything that a person would read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from itertools import takewhile
from pathlib import Path
from typing import Any

import msgspec

from toolfinch.errors import DataError
from toolfinch.evaluate.metrics import Result
from toolfinch.evaluate.played import Outcome
from toolfinch.score import FailureKind


class Judged(msgspec.Struct, frozen=True):
    """What one caller made of one case."""

    suite: str
    caller: str
    id: str
    group: str
    """Cases of one group (a conversation) are not independent."""
    scenario: str
    asked: str
    """A hash of prompt, tools and expectation: the same id with another hash is another case."""
    right: bool
    failure: FailureKind | None
    """None exactly where it is right; `endpoint_error` is no answer at all and belongs in no comparison."""
    selection: tuple[int, int, int] = (0, 0, 0)
    """Tool names right, called too much, and missed; all 0 for a case that is played."""
    seconds: float = 0.0
    """0 where the prompt did not fit: refusing it is no reply."""
    prompt_tokens: int = 0
    completion_tokens: int = 0


def of_result(suite: str, caller: str, result: Result) -> Judged:
    """A scored reply."""
    s, reply = result.score, result.reply
    return Judged(
        suite,
        caller,
        result.example.id,
        result.example.conversation_id,
        result.example.scenario,
        fingerprint(result),
        s.exact,
        s.failure.kind if s.failure else None,
        (s.names_tp, s.names_fp, s.names_fn),
        0.0 if reply.stop == "context" else reply.timings.total_s,
        reply.usage.prompt_tokens,
        reply.usage.completion_tokens,
    )


def of_outcome(suite: str, caller: str, outcome: Outcome) -> Judged:
    """A played case; times and tokens are those of all its replies."""
    return Judged(
        suite,
        caller,
        outcome.id,
        outcome.group,
        outcome.scenario,
        fingerprint(outcome),
        outcome.failure is None,
        outcome.failure.kind if outcome.failure else None,
        seconds=sum(reply.timings.total_s for reply in outcome.replies),
        prompt_tokens=sum(reply.usage.prompt_tokens for reply in outcome.replies),
        completion_tokens=sum(reply.usage.completion_tokens for reply in outcome.replies),
    )


def fingerprint(case: Result | Outcome) -> str:
    """The first 16 hex digits of a SHA-256 of what was asked; what came back is no part of it."""
    if isinstance(case, Result):
        one = case.example  # its tags may come from the command line, its source is a place
        asked: Any = (one.id, one.tools, one.messages, one.expected)
    else:
        prompt = list(takewhile(lambda message: message.role != "assistant", case.messages))
        asked = (case.id, case.tools, prompt, case.expected)
    return hashlib.sha256(msgspec.json.encode(asked)).hexdigest()[:16]


def encode(cases: Iterable[Judged]) -> bytes:
    """The lines of `cases.jsonl`."""
    return b"".join(msgspec.json.encode(case) + b"\n" for case in cases)


def read(path: Path) -> list[Judged]:
    """Every line of a `cases.jsonl`. Raises DataError naming the file and the row."""
    if not path.is_file():
        raise DataError(f"{path}: no such file", hint="toolfinch eval writes it into its --out folder")
    cases = []
    for row, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            cases.append(msgspec.json.decode(line, type=Judged))
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise DataError(f"{path}:{row}: not a judged case ({error})") from error
    return cases
