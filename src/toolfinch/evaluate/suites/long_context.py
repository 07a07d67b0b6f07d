"""`long_context`: the same decisions when the conversation has grown.

24 decisions, each after 4k, 8k, 16k and 32k tokens of tool results in 9 to 16 rounds, with what it needs in the
first, the middle or the last third of them. Kinds: one value of an earlier result is needed; two of different
rounds; the latest of two; a status chooses the tool; what is needed was looked up and is not there (ask);
what is asked for was done before (say so, do not repeat it). Of one length, the three positions have the same
rounds in another order, and a longer conversation has all rounds of a shorter one with more rows in each: a
difference is due to length and position. The twelve variants of a decision count as one conversation in the intervals.

A token is what the packaged base's tokenizer makes one, and only tool results count; docs/suites.md says how long
the whole prompts are, and for other tokenizers. The suite is built when it is loaded, the same everywhere, and a
test holds its hash: figures on one that differs are not comparable with those before. Left out: results in
more than one language, parallel calls, and a context that was cut or summarised.
"""

from __future__ import annotations

from collections.abc import Sequence

from toolfinch.evaluate.suites.cases import done
from toolfinch.evaluate.suites.long_context_cases import CASES, Case
from toolfinch.evaluate.suites.long_context_rounds import TOOLS, Round, bring, others
from toolfinch.example import Example
from toolfinch.message import Message, assistant, system, user

LENGTHS = {"4k": (4_000, 9), "8k": (8_000, 10), "16k": (16_000, 12), "32k": (32_000, 16)}
"""Tokens of all tool results together, and the number of rounds."""
POSITIONS = ("early", "middle", "late")

SYSTEM = (
    "You are the office assistant of a furniture wholesaler. Today is Friday, 12 June 2026. What was looked up in "
    "this conversation still holds: do not look it up again. Where two results differ, the later one holds. If "
    "something that you need was looked up and is not there, ask the user for it."
)


def examples() -> list[Example]:
    """All decisions in all variants; the scenario is length and position, such as `4k early`."""
    return [
        example
        for name, case in CASES.items()
        for length in LENGTHS
        for example in _variants(name, case, length)
    ]


def _variants(name: str, case: Case, length: str) -> list[Example]:
    """One decision at one length, with what it needs early, in the middle and late."""
    tokens, rounds = LENGTHS[length]
    around = others(case.pair or name, rounds - len(case.rounds))
    share = tokens / sum(bool(one.shape) for one in (*case.rounds, *around))
    alone = [text.lower() for text in case.alone]
    needed = [(one, bring(one, share, alone)) for one in case.rounds]
    other = [(one, bring(one, share, alone)) for one in around]
    found = []
    for position in POSITIONS:
        before = _before(position, len(other), rounds)
        messages = _said((*other[:before], *needed, *other[before:]))
        tags = (length, position, case.kind, *((f"pair:{case.pair}",) if case.pair else ()))
        found.append(
            Example(
                f"long-context-{name}/{length}-{position}",
                TOOLS,
                (system(SYSTEM), *messages, user(case.asks)),
                case.expected,
                f"{length} {position}",
                "long_context",
                tags,
            )
        )
    return found


def _before(position: str, others: int, rounds: int) -> int:
    """How many other rounds come first: never none, and never all, so that it is no first and no last thing."""
    edge = rounds // 8
    return {"early": edge, "middle": others // 2, "late": others - edge}[position]


def _said(rounds: Sequence[tuple[Round, str]]) -> list[Message]:
    messages: list[Message] = []
    for one, result in rounds:
        made = done(len(messages) + 2, (one.call, result))
        messages += [user(one.asks), *made, assistant(one.answers)]
    return messages
