"""`failed_tools`: does a caller make up a result when its tool fails?

Run as `toolfinch eval CALLER… --suite failed_tools`. The suite is two files: hand-written scenarios, a line
each, and the tools that they name. Every scenario is played twice, with one failure and with the same failure
for three rounds. Replies are kept in `results.jsonl` by everything that they depend on, as `run` keeps them;
verdicts are made anew, so a corrected rule costs no second request. The rule: docs/failed_tools.md.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from toolfinch import tool as tools
from toolfinch.caller import Decoding, Reply, ToolCaller
from toolfinch.errors import DataError
from toolfinch.evaluate import run as runs
from toolfinch.evaluate.scripted import (
    Answer,
    Injection,
    Played,
    Scripted,
    Trouble,
    Verdict,
    judge,
    play,
    unanswered,
)
from toolfinch.example import Example, Expected
from toolfinch.message import Message, system, user
from toolfinch.tool import Tool

SUITE = "failed_tools"
ROUNDS = (1, 3)
_SUITES = Path(__file__).parent / "suites"


class _Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of the suite; the fields are those of `Scripted`, the tools by name."""

    id: str
    trouble: Trouble
    tools: tuple[str, ...]
    user: str
    fails: dict[str, Answer]
    system: str = ""
    works: dict[str, Answer] = {}
    transient: bool = False
    facts: tuple[str, ...] = ()
    shows: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()
    injection: Injection | None = None


class Outcome(msgspec.Struct, frozen=True):
    """What a caller did with one case."""

    case: Scripted
    played: Played
    verdict: Verdict | None
    """None where the engine or endpoint failed."""


def load(folder: Path = _SUITES) -> list[Scripted]:
    """Every case, one round and three rounds of a scenario one after the other.

    Raises DataError naming file, row and key for a line that cannot be read, or whose tools are not all
    known and answered.
    """
    known = _tools(folder / f"{SUITE}.tools.json")
    path = folder / f"{SUITE}.jsonl"
    cases = []
    for row, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            scenario = msgspec.json.decode(line, type=_Scenario)
            cases += [_case(scenario, rounds, known) for rounds in ROUNDS]
        except (msgspec.MsgspecError, KeyError, ValueError) as error:
            raise DataError(f"{path}:{row}: {error}") from error
    return cases


def _tools(path: Path) -> dict[str, Tool]:
    raw = msgspec.json.decode(path.read_bytes(), type=dict[str, dict[str, object]])
    return {name: tools.read({"name": name, **body}, f"{path.name}: {name}") for name, body in raw.items()}


def _case(scenario: _Scenario, rounds: int, known: Mapping[str, Tool]) -> Scripted:
    messages = (system(scenario.system),) if scenario.system else ()
    case = Scripted(
        id=f"{scenario.id}/{rounds}",
        tools=tuple(known[name] for name in scenario.tools),
        messages=(*messages, user(scenario.user)),
        trouble=scenario.trouble,
        fails=scenario.fails,
        rounds=rounds,
        works=scenario.works,
        transient=scenario.transient,
        facts=scenario.facts,
        shows=scenario.shows,
        claims=scenario.claims,
        injection=scenario.injection,
    )
    if missing := unanswered(case):
        raise ValueError(f"{case.id}: no answer is written for {', '.join(missing)}")
    return case


def run(
    caller: ToolCaller,
    cases: Sequence[Scripted],
    out_dir: Path | None = None,
    *,
    artifact: str = "",
    decoding: Decoding = Decoding(),
    progress: bool = True,
) -> list[Outcome]:
    """Play every case in order and judge it; the arguments and what is kept are those of `run.run`.

    Raises DataError for a results file that cannot be read. Ctrl-C says what is kept and is raised again.
    """
    path = out_dir / "results.jsonl" if out_dir else None
    outcomes: list[Outcome] = []
    with runs.kept(path) as (known, keep), runs.ticking(caller.name, len(cases), progress) as tick:
        try:
            for case in cases:
                played = play(_Remembering(caller, case.id, artifact, known, keep), case, decoding)
                outcomes.append(Outcome(case, played, None if played.error else judge(case, played)))
                tick()
        except KeyboardInterrupt:
            where = f"kept in {path}; the same command goes on" if path else "not kept: no folder given"
            print(f"stopped: {len(outcomes)} of {len(cases)} done, {where}", file=sys.stderr)
            raise
    return outcomes


class _Remembering:
    """A caller that asks only for what is not on disk, and keeps what it gets."""

    def __init__(
        self,
        caller: ToolCaller,
        case_id: str,
        artifact: str,
        known: dict[str, Reply],
        keep: Callable[[runs.Line], None],
    ) -> None:
        self.name = caller.name
        self._caller = caller
        self._case_id = case_id
        self._artifact = artifact
        self._known = known
        self._keep = keep

    def reply(
        self, messages: Sequence[Message], tools: Sequence[Tool], decoding: Decoding = Decoding()
    ) -> Reply:
        request = Example(f"{self._case_id}/{len(messages)}", tuple(tools), tuple(messages), Expected("say"))
        key = runs.key_of(self.name, self._artifact, decoding, request)
        if key in self._known:
            return self._known[key]
        reply = runs.ask(self._caller, request, decoding)
        self._keep(runs.Line(request.id, self.name, key, reply))
        if reply.stop != "error":
            self._known[key] = reply  # one round and three begin with the same request
        return reply
