"""`dependencies`: is a call due now, or does it depend on what another one will bring?

Each case is a request in which a second call has to wait for the first: on a `condition` ("if I'm free"), in
`order` ("once that's done"), for a `value` ("use its id") or for a `choice` ("the cheapest of them"). Right is the
first call alone; making the second one too is a `premature_call`. Most have a twin in nearly the same words
without the dependence, where both are due at once: calling everything at once, or one thing at a time, gets one
of the two. Some go on after the first result: then the second call is due, or, where a condition failed, words.

To write the file again: python -m toolfinch.evaluate.suites.dependencies FOLDER. Figures on a file that differs
are not comparable with those before. Left out: chains of more than two rounds, and tools that fail.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from toolfinch.data.dataset import write_dataset
from toolfinch.evaluate.suites import dependent_at_home, dependent_at_work
from toolfinch.evaluate.suites.cases import as_conversation, calls, done
from toolfinch.evaluate.suites.dependent import Case
from toolfinch.evaluate.suites.dependent_tools import TOOLSETS
from toolfinch.example import Conversation, Expected
from toolfinch.message import Message, user

CASES = {**dependent_at_home.CASES, **dependent_at_work.CASES}


def dependencies() -> list[Conversation]:
    """All cases. The scenario says what is right: `first_call_only`, `all_at_once`, `call_due`, `words_due`."""
    return [
        conversation
        for field, cases in CASES.items()
        for number, case in enumerate(cases, 1)
        for conversation in _conversations(field, f"{field}-{number}", case)
    ]


def _conversations(field: str, name: str, case: Case) -> Iterator[Conversation]:
    tools = TOOLSETS[field]
    asked = user(case.waits)
    later = tuple(dict.fromkeys(each.call.name for each in case.then))
    found: list[tuple[str, tuple[Message, ...], Expected, str]] = [
        ("wait", (asked,), calls(*case.now, later=later), "first_call_only")
    ]
    if case.twin:
        found.append(("twin", (user(case.twin),), calls(*case.now, *case.then), "all_at_once"))
    for i, after in enumerate(case.after, 1):
        made = done(1, *zip(case.now, after.results, strict=True))
        scenario = "call_due" if after.expected.calls else "words_due"
        found.append((f"after{i}", (asked, *made), after.expected, scenario))
    for which, messages, expected, scenario in found:
        yield as_conversation(
            f"dependencies-{name}-{which}",
            tools,
            messages,
            expected,
            scenario=scenario,
            source="dependencies",
            tags=(f"pair:{name}", case.kind) if case.twin else (case.kind,),
        )


def main(folder: Path) -> None:
    print(folder / "dependencies.jsonl", write_dataset(folder / "dependencies.jsonl", dependencies()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
