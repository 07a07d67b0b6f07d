"""`Suite`: the decisions, or the cases to play, that an evaluation runs over.

Some come with the package (`BUILT_IN`), some are public data that one brings along (`PUBLIC`,
docs/suites.md), and anything else is a file of OpenAI chat JSON lines, gzipped or not. Every assistant turn
that is not marked `skip` is an example. The suites in `PLAYED` are played over several replies
(`evaluate.played`). Left out: fetching public data.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec

from toolfinch.data.funnel import Dropped
from toolfinch.data.readers import log
from toolfinch.errors import DataError, UsageError
from toolfinch.evaluate.played import PlayedSuite
from toolfinch.example import Example, examples

T = TypeVar("T")
BUILT = {"long_context": "toolfinch.evaluate.suites.long_context"}
"""Packaged suites that are built when they are loaded, by name, with the module whose `examples` builds them."""
BUILT_IN = ("scenarios_200", "unseen_tools_100", "forty", "dependencies", *BUILT)
PUBLIC = {
    "bfcl": "toolfinch.evaluate.suites.bfcl",
    "seal_tools": "toolfinch.evaluate.suites.seal_tools",
    "nestful": "toolfinch.evaluate.suites.nestful",
    "api_bank": "toolfinch.evaluate.suites.api_bank",
    "when2call": "toolfinch.evaluate.suites.when2call",
    "toolcall15": "toolfinch.evaluate.suites.toolcall15",
    "local_agent_bench": "toolfinch.evaluate.suites.local_agent_bench",
    "sgd": "toolfinch.evaluate.suites.sgd",
}
"""Suites whose data is not in the package, by name, with the module that reads them."""
PLAYED = {
    "failed_tools": "toolfinch.evaluate.failed_tools",
    "bfcl_multi_turn": "toolfinch.evaluate.suites.bfcl_multi_turn",
}
TAKES_DATA = frozenset({*PUBLIC, "bfcl_multi_turn"})
_SUITES = Path(__file__).parent / "suites"


class Suite(msgspec.Struct, frozen=True):
    """A suite, ready to be run."""

    name: str
    examples: Sequence[Example] = ()
    played: Sequence[Any] = ()
    """The cases of a played suite; such a suite has no examples."""
    module: Any = None
    """The `PlayedSuite` that plays them; None for decisions."""
    left_out: Sequence[Dropped] = ()
    """The rows of a public suite that are left out on purpose, each with its reason."""

    @property
    def cases(self) -> Sequence[Any]:
        return self.played if self.module else self.examples


def plain(name: str) -> str:
    """A suite's name as it is known; `failed-tools` is `failed_tools`. Anything else is left as it is."""
    known = name.replace("-", "_")
    return known if known in {*BUILT_IN, *PUBLIC, *PLAYED} else name


def open(name_or_path: str | Path, data: Path | None = None) -> Suite:
    """A suite by name, or of a file. `data` is the folder of one that is not in the package.

    Raises UsageError where the folder is missing or not wanted, DataError naming the file and the first row
    that cannot be read: a suite with a hole in it would be another suite.
    """
    name = plain(str(name_or_path))
    if data is not None and name not in TAKES_DATA:
        hint = f"those do: {', '.join(sorted(TAKES_DATA))}"
        raise UsageError(f"{name}: takes no data folder", hint=hint)
    if name in PLAYED:
        module = cast(PlayedSuite, importlib.import_module(PLAYED[name]))
        return Suite(name, played=module.load(data), module=module)
    if name in PUBLIC:
        found, dropped = _public(name, data)
        return Suite(name, found, left_out=dropped)
    if name in BUILT:
        return Suite(name, importlib.import_module(BUILT[name]).examples())
    return Suite(name, _packaged_or_file(name))


def part(suite: Suite, groups: int) -> Suite:
    """So many conversations of a suite, or scenarios of a played one, evenly spaced over it; all where it is 0."""
    return msgspec.structs.replace(
        suite,
        examples=spread(suite.examples, groups, lambda example: example.conversation_id),
        played=spread(suite.played, groups, lambda case: str(case.group)),
    )


def load(name_or_path: str | Path, data: Path | None = None) -> list[Example]:
    """The examples of a suite of decisions, in its order; `open` says what it may raise."""
    found = open(name_or_path, data)
    if found.module:
        raise UsageError(f"{found.name}: is played over several replies; it has no single decisions")
    return list(found.examples)


def _packaged_or_file(name: str) -> list[Example]:
    path = _SUITES / f"{name}.jsonl" if name in BUILT_IN else Path(name)
    if not path.is_file():
        raise DataError(
            f"{path}: no such suite",
            hint=f"built in: {', '.join((*BUILT_IN, *PLAYED))}; with --data: {', '.join(PUBLIC)}; else give a file",
        )
    conversations, _ = log.read(path, format="openai_chat", strict=True)
    found = [example for conversation in conversations for example in examples(conversation)]
    if not found:
        raise DataError(f"{path}: there is no assistant turn in it to measure")
    return found


def spread(cases: Sequence[T], groups: int, group: Callable[[T], str]) -> list[T]:
    """The cases of so many groups (conversations, scenarios), evenly spaced over the suite; all where it is 0."""
    names = list(dict.fromkeys(map(group, cases)))
    if not 0 < groups < len(names):
        return list(cases)
    chosen = {names[i * len(names) // groups] for i in range(groups)}
    return [case for case in cases if group(case) in chosen]


def _public(name: str, data: Path | None) -> tuple[list[Example], list[Dropped]]:
    about = "docs/suites.md says where it is from and which files it has"
    module = importlib.import_module(PUBLIC[name])
    if data is None and name == "bfcl":
        data = module.installed()
    if data is None:
        raise UsageError(f"{name}: its data is not part of the package; needs --data FOLDER", hint=about)
    if not data.is_dir():
        raise DataError(f"{data}: no such folder", hint=about)
    found: list[Example] = []
    dropped: list[Dropped] = []
    try:
        for one in module.read(data):
            if isinstance(one, Dropped):
                dropped.append(one)
            else:
                found.append(one)
    except DataError as error:
        raise DataError(f"{name}: {error}", hint=error.hint or about) from error
    if not found:
        raise DataError(f"{name}: {data}: no row of it can be measured", hint=about)
    return found, dropped
