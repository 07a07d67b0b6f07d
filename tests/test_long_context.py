"""`long_context`: frozen, as long as it says, the needed value where it says, and no other value that is right."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tokenizers import Tokenizer

from toolfinch import models
from toolfinch.caller import Decoding, Reply
from toolfinch.errors import UsageError
from toolfinch.evaluate import suite
from toolfinch.evaluate.run import run
from toolfinch.evaluate.suites.long_context import LENGTHS, POSITIONS
from toolfinch.evaluate.suites.long_context_cases import CASES, Case
from toolfinch.example import Example, gold_message
from toolfinch.message import Message, ToolCall, assistant, canonical, to_openai
from toolfinch.schema import violations
from toolfinch.score import score
from toolfinch.tool import Tool, to_record

SHA256 = "cfed316810e60d0b8d797b3e404eeded07ebf235605bc401fb9fba9801a849b2"
KINDS = {
    "order": r"\bSO-\d{5}\b",
    "invoice": r"\bINV-\d{5}\b",
    "address": r"[\w.]+@[\w.]+\.example\b",
    "date": r"\b\d{4}-\d\d-\d\d\b",
    "amount": r"\b\d+\.\d\d\b",
    "file": r"\b[\w-]+\.(?:pdf|docx|xlsx|csv|png|txt)\b",
}
"""The values that have to be copied; the one of an argument is of the first kind that it is whole."""


@cache
def examples() -> tuple[Example, ...]:
    return tuple(suite.load("long_context"))


def case_of(example: Example) -> Case:
    return CASES[example.conversation_id.removeprefix("long-context-")]


def rows_of(case: Case) -> list[str]:
    """What the decision needs, as it stands in the results."""
    return [row for one in case.rounds for row in one.rows or (one.result,)]


def results(messages: Sequence[Message]) -> list[str]:
    return [message.content for message in messages if message.role == "tool"]


def rounds(example: Example) -> list[tuple[Message, ...]]:
    """Request, call, result and answer, again and again, between the system's message and the last request."""
    middle = example.messages[1:-1]
    assert len(middle) % 4 == 0
    return list(zip(*(middle[i::4] for i in range(4)), strict=True))


@cache
def starts(text: str) -> list[int]:
    """Where each token of the packaged base's tokenizer starts."""
    return [start for start, _ in tokenizer().encode(text).offsets]


@cache
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(models.HERE / "fledgling" / "tokenizer.json"))


def place(example: Example, row: str) -> tuple[float, float]:
    """Where a row begins and ends, as shares of the tokens of all results."""
    texts = results(example.messages)
    (i,) = [i for i, text in enumerate(texts) if row in text]
    before = sum(len(starts(text)) for text in texts[:i])
    begin = texts[i].index(row)
    inside = [sum(start < end for start in starts(texts[i])) for end in (begin, begin + len(row))]
    total = sum(len(starts(text)) for text in texts)
    return (before + inside[0]) / total, (before + inside[1]) / total


def copied(example: Example) -> Iterator[tuple[str, Any]]:
    """Arguments of the gold call whose value only a result has, each as text."""
    for key, value in ((k, v) for e in example.expected.calls for k, v in e.call.arguments.items()):
        text = value if isinstance(value, str) else f"{value:.2f}"
        if text not in example.messages[-1].content:
            yield key, text


def kind_of(value: str) -> str:
    return next(kind for kind, pattern in KINDS.items() if re.fullmatch(pattern, value))


def test_the_suite_is_frozen() -> None:
    """Scores on a suite that changed, or that another machine draws otherwise, are not comparable."""
    found = suite.load("long-context")
    asked = [
        (e.id, e.scenario, e.tags, [*map(to_openai, e.messages)], [*map(to_record, e.tools)]) for e in found
    ]
    right = [
        (
            e.expected.kind,
            e.expected.text,
            [(c.call.name, c.call.arguments, c.accept) for c in e.expected.calls],
        )
        for e in found
    ]
    assert hashlib.sha256(msgspec.json.encode((asked, right))).hexdigest() == SHA256


def test_every_decision_in_every_variant_once() -> None:
    """Twelve variants are one conversation in the intervals: taken for twelve, they would claim too much."""
    assert len(CASES) >= 16 and Counter(case.kind for case in CASES.values()).keys() == {
        *("one_value", "two_values", "latest_value", "by_status", "not_there", "already_done"),
    }
    variants = [f"{length} {position}" for length in LENGTHS for position in POSITIONS]
    for name, case in CASES.items():
        mine = [e for e in examples() if e.conversation_id == f"long-context-{name}"]
        assert [e.scenario for e in mine] == variants
        assert len({(e.tools, e.expected, e.messages[0], e.messages[-1]) for e in map(frozen, mine)}) == 1
        for e in mine:
            assert e.tags[:3] == (*e.scenario.split(), case.kind)
    assert len({e.id for e in examples()}) == len(examples()) == len(CASES) * len(variants)
    with pytest.raises(UsageError, match="takes no data folder"):
        suite.load("long_context", Path())


def frozen(example: Example) -> Any:
    """The example with parts that can be compared in a set."""

    class Parts:
        tools = canonical(msgspec.to_builtins(example.tools))
        expected = canonical(msgspec.to_builtins(example.expected))
        messages = tuple(canonical(msgspec.to_builtins(m)) for m in example.messages)

    return Parts


@pytest.mark.parametrize("length", LENGTHS)
def test_lengths_are_what_they_say_for_a_real_tokenizer(length: str) -> None:
    """ "32k" that is 20k would flatter every model. Replace the ratios with the packaged base's tokenizer."""
    target, number = LENGTHS[length]
    for example in (e for e in examples() if e.scenario.startswith(f"{length} ")):
        counted = sum(len(starts(text)) for text in results(example.messages))
        assert 0.9 * target < counted < 1.1 * target, (example.id, counted)
        assert len(rounds(example)) == number and 8 <= number <= 16


def test_rounds_are_whole_and_their_calls_fit() -> None:
    """A result without its call, or a call that no tool would take, is no conversation that happens."""
    tools = {tool.name: tool for tool in examples()[0].tools}
    for example in examples():
        assert [m.role for m in example.messages[:1] + example.messages[-1:]] == ["system", "user"]
        ids = set()
        for asked, made, result, said in rounds(example):
            assert (asked.role, said.role, said.calls) == ("user", "assistant", ())
            (call,) = made.calls
            assert result.result is not None and result.result.call_id == call.id
            assert not violations(tools[call.name], call.arguments), example.id
            ids.add(call.id)
        assert len(ids) == len(rounds(example))
        asked_for = Counter(
            (m.calls[0].name, canonical(m.calls[0].arguments)) for _, m, _, _ in rounds(example)
        )
        twice = case_of(example).kind == "latest_value"
        assert sorted(asked_for.values())[-2:] == ([1, 2] if twice else [1, 1]), example.id


def test_positions_differ_in_order_alone_and_lengths_in_more_of_the_same() -> None:
    """Otherwise a difference between two variants could come from what else is said in them."""

    def bag(example: Example) -> Counter[tuple[str, ...]]:
        return Counter(
            (a.content, m.calls[0].name, canonical(m.calls[0].arguments).decode(), r.content, s.content)
            for a, m, r, s in rounds(example)
        )

    def words(example: Example) -> Counter[str]:
        return Counter(re.findall(r"\w+", "\n".join(results(example.messages))))

    for name in CASES:
        at = {e.scenario: e for e in examples() if e.conversation_id == f"long-context-{name}"}
        for length in LENGTHS:
            bags = [bag(at[f"{length} {position}"]) for position in POSITIONS]
            assert bags[0] == bags[1] == bags[2]
        for shorter, longer in itertools.pairwise(LENGTHS):
            assert words(at[f"{shorter} early"]) < words(at[f"{longer} early"]), (name, longer)


def test_what_is_needed_stands_once_and_where_it_should() -> None:
    """A value that is said twice, or in another third, would measure another position."""
    thirds = {"early": (0, 1 / 3), "middle": (1 / 3, 2 / 3), "late": (2 / 3, 1)}
    for example in examples():
        low, high = thirds[example.scenario.split()[1]]
        for row in rows_of(case_of(example)):
            assert "\n".join(results(example.messages)).count(row) == 1, example.id
            begin, end = place(example, row)
            assert low < begin < end < high, (example.id, begin, end)
            for edge in (0, -1):
                assert row not in results(example.messages)[edge], example.id


def test_nothing_else_tells_of_it() -> None:
    """A second mention of a value, or of the name it is found by, would make a case easier or its gold wrong."""
    for example in examples():
        case = case_of(example)
        own = {one.asks for one in case.rounds}
        text = "\n".join(
            m.content for m in example.messages[:-1] if m.role != "assistant" and m.content not in own
        )
        text += "\n".join(s.content for _, _, _, s in rounds(example))
        for row in rows_of(case):
            text = text.replace(row, "")
        assert not [alone for alone in case.alone if alone.lower() in text.lower()], example.id


def test_gold_values_are_copied_and_have_rivals_of_their_kind() -> None:
    """Without rivals, the only date in sight is right by chance; with an equal one, so is a wrong reading."""
    for example in examples():
        case = case_of(example)
        text = "\n".join(results(example.messages))
        wanted = list(copied(example))
        assert (case.kind in ("one_value", "two_values", "latest_value")) == bool(wanted)
        for key, value in wanted:
            holding = [i for i, row in enumerate(rows_of(case)) if value in row]
            assert holding, (example.id, key)
            if case.kind == "latest_value":
                assert holding == [1]
            others = set(re.findall(KINDS[kind_of(value)], text)) - {value}
            assert len(others) >= 5, (example.id, key, others)
        sources = {i for _, value in wanted for i, row in enumerate(rows_of(case)) if value in row}
        assert case.kind != "two_values" or sources == {0, 1}


LOOKS_AGAIN = assistant("", ToolCall("list_orders", {"month": "2026-02"}))


class Nearsighted:
    """Reads the last so many tokens of the results; answers what it finds there, and else looks it up again."""

    name = "nearsighted"

    def __init__(self, share: float = 1.0, tokens: int = 10**9) -> None:
        self.share, self.tokens = share, tokens

    def reply(
        self, messages: Sequence[Message], tools: Sequence[Tool], decoding: Decoding = Decoding()
    ) -> Reply:
        texts = results(messages)
        left = min(int(self.share * sum(len(starts(text)) for text in texts)), self.tokens)
        read = ""
        for text in reversed(texts):
            if left > 0:
                read = text[starts(text)[-left] if left < len(starts(text)) else 0 :] + "\n" + read
            left -= len(starts(text))
        for case in CASES.values():
            if case.asks == messages[-1].content and all(row in read for row in rows_of(case)):
                return Reply(gold_message(Example("", (), (), case.expected)))
        return Reply(LOOKS_AGAIN)


def right(caller: Any) -> Counter[str]:
    """How many a caller has right, by scenario."""
    return Counter(r.example.scenario for r in run(caller, examples(), progress=False) if r.score.exact)


def test_who_reads_the_last_third_is_right_late_and_wrong_early() -> None:
    """The position would mean nothing if the end of the conversation gave the answer away, or did not."""
    found = right(Nearsighted(share=1 / 3))
    assert found == {f"{length} late": len(CASES) for length in LENGTHS}
    assert right(Nearsighted()) == {e.scenario: len(CASES) for e in examples()}


def test_who_has_a_short_memory_loses_the_long_conversations() -> None:
    """The lengths would mean nothing if the same last part were enough in all of them."""
    found = right(Nearsighted(tokens=6_000))
    assert all(found[f"4k {position}"] == len(CASES) for position in POSITIONS)
    assert found["8k late"] == len(CASES) and found["8k early"] == 0
    assert found["32k early"] == found["32k middle"] == found["16k early"] == 0


def test_the_newest_value_of_the_kind_is_never_right() -> None:
    """Copying the last address in sight needs no memory, and must not pay."""
    for example in examples():
        wanted = dict(copied(example))
        if wanted:
            text = "\n".join(results(example.messages))
            newest = {key: re.findall(KINDS[kind_of(value)], text)[-1] for key, value in wanted.items()}
            call = example.expected.calls[0].call
            typed = {k: float(v) if isinstance(call.arguments[k], float) else v for k, v in newest.items()}
            got = score(example, Reply(assistant("", ToolCall(call.name, {**call.arguments, **typed}))))
            assert got.failure is not None and got.failure.kind == "wrong_value", example.id


def test_the_first_of_two_values_is_never_right() -> None:
    """A reader who stops at the first match must lose the cases whose value was changed later."""
    for example in (e for e in examples() if "latest_value" in e.tags):
        case = case_of(example)
        ((key, value),) = copied(example)
        stale, newest = rows_of(case)
        (old,) = set(re.findall(KINDS[kind_of(value)], stale)) - set(
            re.findall(KINDS[kind_of(value)], newest)
        )
        call = example.expected.calls[0].call
        given = float(old) if isinstance(call.arguments[key], float) else old
        got = score(example, Reply(assistant("", ToolCall(call.name, {**call.arguments, key: given}))))
        assert got.failure is not None and got.failure.kind == "wrong_value", example.id


def test_twins_differ_in_the_status_alone() -> None:
    """One habit (always cancel) must not get more than half of them."""
    pairs: dict[tuple[str, str], list[Example]] = {}
    for example in (e for e in examples() if "by_status" in e.tags):
        (pair,) = [tag for tag in example.tags if tag.startswith("pair:")]
        pairs.setdefault((pair, example.scenario), []).append(example)
    assert len(pairs) == 2 * 12
    for one, other in pairs.values():
        assert not score(other, Reply(gold_message(one))).exact
        rows, others = rows_of(case_of(one)), rows_of(case_of(other))
        for a, b in zip(one.messages, other.messages, strict=True):
            assert a.content.replace(rows[0], others[0]) == b.content and a.calls == b.calls
