"""Prove that a suite measures what it says: its own answers score full marks, constant ones their floor.

Exits 1 where a gold answer is not an exact match or a constant answer scores what it should not. A gold call
that its tool's schema refuses is counted and shown, and is no failure: the suite's own schemas may be loose,
and it only keeps a caller that is held to them from being right.

Example: toolfinch validate seal_tools --data suites/seal_tools
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from toolfinch.errors import ToolfinchError

if TYPE_CHECKING:
    from toolfinch.data.funnel import Dropped
    from toolfinch.evaluate.suite import Suite
    from toolfinch.example import Example
    from toolfinch.message import Message

SHOWN = 20
"""Lines of a list in the text; `--json` has all of them."""


class Floor(msgspec.Struct, frozen=True):
    """How often one constant answer is an exact match, and how often it may be."""

    answer: str
    exact: int
    least: int
    most: int


class Check(msgspec.Struct, frozen=True):
    """What was found."""

    suite: str
    examples: int
    conversations: int
    scenarios: dict[str, dict[str, int]]
    """How many of each kind (call, say, ask, decline) a scenario has."""
    gold_calls: int
    wrong: dict[str, str]
    """Gold answers that are no exact match: why, by the example's id."""
    unfit: dict[str, str]
    """Gold calls that their tool's schema refuses: why, by `id: call N`."""
    misread: tuple[str, ...]
    """Gold words that the rule of the question mark takes for another kind: `kind_accuracy` cannot be 1."""
    floors: tuple[Floor, ...]
    left_out: tuple[Dropped, ...]

    @property
    def holds(self) -> bool:
        return not self.wrong and all(floor.least <= floor.exact <= floor.most for floor in self.floors)


def run(
    suite: Annotated[str, typer.Argument(help="a packaged suite, a public one, or a dataset file")],
    data: Annotated[Path | None, typer.Option(help="the folder of a public suite (docs/suites.md)")] = None,
    json: Annotated[bool, typer.Option("--json", help="print everything as JSON")] = False,
) -> None:
    from toolfinch.evaluate.suite import open

    opened = open(suite, data)
    found = check_played(opened) if opened.module else check(suite, opened.examples, opened.left_out)
    print(msgspec.json.format(msgspec.json.encode(found)).decode() if json else text(found))
    if not found.holds:
        raise ToolfinchError(f"{suite}: does not score its own answers, or a constant one, as it should")


def check(suite: str, examples: Sequence[Example], left_out: Sequence[Dropped] = ()) -> Check:
    """Score the gold and the constant answers of every example."""
    from toolfinch.caller import Reply
    from toolfinch.score import score

    gold = {example.id: score(example, Reply(_gold(example))) for example in examples}
    if len(gold) != len(examples):
        twice, _ = Counter(example.id for example in examples).most_common(1)[0]
        raise ToolfinchError(f"{suite}: two examples have the id {twice!r}")
    scenarios: dict[str, Counter[str]] = {}
    for example in examples:
        scenarios.setdefault(example.scenario or "(none)", Counter())[example.expected.kind] += 1
    return Check(
        suite=suite,
        examples=len(examples),
        conversations=len({example.conversation_id for example in examples}),
        scenarios={name: dict(kinds) for name, kinds in sorted(scenarios.items())},
        gold_calls=sum(len(example.expected.calls) for example in examples),
        wrong={id: f"{one.failure.kind}: {one.failure.why}" for id, one in gold.items() if one.failure},
        unfit={place: why for example in examples for place, why in _unfit(example)},
        misread=tuple(e.id for e in examples if e.expected.text and not gold[e.id].kind_right),
        floors=_floors(examples),
        left_out=tuple(left_out),
    )


def check_played(suite: Suite) -> Check:
    """Play every case with its gold caller, and with one that never calls, which passes none."""
    from toolfinch.caller import Decoding
    from toolfinch.callers.floors import NeverCall

    gold = [suite.module.play(suite.module.gold(case), case, Decoding()) for case in suite.played]
    silent = [suite.module.play(NeverCall(), case, Decoding()) for case in suite.played]
    return Check(
        suite=suite.name,
        examples=len(gold),
        conversations=len({outcome.group for outcome in gold}),
        scenarios={name: {"played": n} for name, n in sorted(Counter(o.scenario for o in gold).items())},
        gold_calls=sum(len(reply.message.calls) for outcome in gold for reply in outcome.replies),
        wrong={o.id: f"{o.failure.kind}: {o.failure.why}" for o in gold if o.failure},
        unfit={},
        misread=(),
        floors=(Floor("never calls", sum(o.failure is None for o in silent), 0, 0),),
        left_out=tuple(suite.left_out),
    )


def _gold(example: Example) -> Message:
    """What is expected; where any call is, one of the first tool."""
    from toolfinch.example import gold_message
    from toolfinch.message import ToolCall, assistant

    if _any_call(example):
        return assistant("", ToolCall(example.tools[0].name, {}))
    return gold_message(example)


def _any_call(example: Example) -> bool:
    return example.expected.kind == "call" and not example.expected.calls and bool(example.tools)


def _unfit(example: Example) -> Iterator[tuple[str, str]]:
    from toolfinch.schema import violations

    tools = {tool.name: tool for tool in example.tools}
    for number, call in enumerate((expected.call for expected in example.expected.calls), 1):
        if call.name not in tools:
            yield f"{example.id}: call {number}", f"{call.name} is not among the tools"
        elif refused := violations(tools[call.name], call.arguments):
            yield f"{example.id}: call {number}", f"{call.name}: {'; '.join(refused)}"


def _floors(examples: Sequence[Example]) -> tuple[Floor, ...]:
    from toolfinch.caller import Reply
    from toolfinch.message import ToolCall, assistant
    from toolfinch.score import score

    def exact(answer: Callable[[Example], Message]) -> int:
        return sum(score(example, Reply(answer(example))).exact for example in examples)

    def stray(example: Example) -> Message:
        longest = max((tool.name for tool in example.tools), key=len, default="tool")
        return assistant("", ToolCall(f"{longest}_", {}))  # longer than all of them, so none of them

    def first(example: Example) -> Message:
        return assistant("", ToolCall(example.tools[0].name, {})) if example.tools else stray(example)

    silent = sum(example.expected.kind != "call" for example in examples)
    due = [
        example.expected.calls[0].call
        for example in examples
        if len(example.expected.calls) == 1
        and example.tools
        and example.expected.calls[0].call.name == example.tools[0].name
    ]
    bare = sum(not call.arguments for call in due)
    free = sum(map(_any_call, examples))
    return (
        Floor("never calls", exact(lambda example: assistant()), silent, silent),
        Floor("calls the first tool without arguments", exact(first), bare + free, len(due) + free),
        Floor("calls a tool that is not offered", exact(stray), 0, 0),
    )


def text(found: Check) -> str:
    """The check for a reader, a few lines of each list."""
    right = found.examples - len(found.wrong)
    out = [
        f"{found.suite}: {found.examples} examples of {found.conversations} conversations",
        *(f"  {name}: {_counts(kinds)}" for name, kinds in found.scenarios.items()),
        f"gold answers that are an exact match: {right} of {found.examples}",
        *_listed(found.wrong),
        f"gold calls that their tool's schema refuses: {len(found.unfit)} of {found.gold_calls}",
        *_listed(found.unfit),
    ]
    if found.misread:
        out.append(f"gold words that the question mark's rule reads as another kind: {len(found.misread)}")
    for floor in found.floors:
        allowed = f"{floor.least}" if floor.least == floor.most else f"{floor.least} to {floor.most}"
        verdict = "" if floor.least <= floor.exact <= floor.most else "   WRONG"
        share = floor.exact / found.examples
        out.append(
            f"a caller that {floor.answer}: {floor.exact} exact ({share:.1%}), must be {allowed}{verdict}"
        )
    reasons: dict[str, list[str]] = {}
    for one in found.left_out:
        reasons.setdefault(one.reason, []).append(one.id)
    out.append(f"rows left out: {len(found.left_out)}")
    out += [f"  {reason}: {', '.join(ids)}" for reason, ids in reasons.items()]
    return "\n".join(out)


def _counts(kinds: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {kind}" for kind, number in kinds.items())


def _listed(reasons: Mapping[str, str]) -> list[str]:
    shown = [f"  {where}: {why}" for where, why in list(reasons.items())[:SHOWN]]
    return shown + [f"  and {len(reasons) - SHOWN} more (--json)"] * (len(reasons) > SHOWN)
