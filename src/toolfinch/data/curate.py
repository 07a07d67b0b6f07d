"""What is kept of a log: filters, each a pure function from a conversation to why it goes ("" to keep it).

`Funnel` counts what each step let through and why it dropped the rest; it is part of the data card. Reasons
name tools and paths, never values. Left out: near-duplicates (grouped in `split`, so they cannot straddle)
and personal data (`anonymize`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b

import msgspec

from toolfinch.errors import ToolfinchError
from toolfinch.example import Conversation
from toolfinch.message import Message, canonical
from toolfinch.schema import violations
from toolfinch.tool import shown

Filter = Callable[[Conversation], str]
"""Why a conversation is dropped; "" keeps it."""


class Dropped(msgspec.Struct, frozen=True):
    """One row that a step dropped."""

    id: str
    """The conversation's id, or `file:row` where it could not be read."""
    reason: str


class Step(msgspec.Struct, frozen=True):
    """What one step did."""

    name: str
    rows_in: int
    rows_out: int
    reasons: dict[str, int] = {}
    """How many rows each reason dropped, the most frequent first; they add up to in - out."""
    dropped: tuple[Dropped, ...] = ()


class Funnel(msgspec.Struct, frozen=True):
    """The steps from a log to a dataset, in order."""

    steps: tuple[Step, ...] = ()

    def to_markdown(self, reasons: int = 5) -> str:
        """A table with the `reasons` most frequent reasons a step."""
        lines = ["| step | in | out | dropped because |", "|---|---:|---:|---|"]
        for step in self.steps:
            shown = [f"{_cell(reason)}: {count:,}" for reason, count in [*step.reasons.items()][:reasons]]
            more = list(step.reasons.values())[reasons:]
            if more:
                shown.append(f"{len(more):,} more reasons: {sum(more):,}")
            lines.append(
                f"| {_cell(step.name)} | {step.rows_in:,} | {step.rows_out:,} | {'<br>'.join(shown)} |"
            )
        return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def step(name: str, rows_in: int, rows_out: int, dropped: Iterable[Dropped]) -> Step:
    """A step with its reasons counted."""
    dropped = tuple(dropped)
    return Step(name, rows_in, rows_out, dict(Counter(one.reason for one in dropped).most_common()), dropped)


def keep(name: str, reason: Filter, conversations: Sequence[Conversation]) -> tuple[list[Conversation], Step]:
    """Run one filter."""
    kept: list[Conversation] = []
    dropped: list[Dropped] = []
    for one in conversations:
        if why := reason(one):
            dropped.append(Dropped(one.id, why))
        else:
            kept.append(one)
    return kept, step(name, len(conversations), len(kept), dropped)


def repeats(conversations: Sequence[Conversation]) -> tuple[list[Conversation], Step]:
    """Leave out what another conversation begins with, or says word for word, under whatever id.

    A log that is written once a request holds the same session at every length; a shorter copy would put the
    same turns into two splits. Of equal ones the first stays. Ids of calls are no part of the comparison.
    """
    beginnings: set[bytes] = set()
    wholes: list[bytes] = []
    for one in conversations:
        running = blake2b(msgspec.json.encode(sorted(tool.name for tool in one.tools)), digest_size=16)
        digests = []
        for message in one.messages:
            said = (message.role, message.content, [(c.name, canonical(c.arguments)) for c in message.calls])
            running.update(msgspec.json.encode(said) + b"\n")
            digests.append(running.digest())
        wholes.append(digests[-1] if digests else b"")
        beginnings.update(digests[:-1])
    kept: list[Conversation] = []
    dropped: list[Dropped] = []
    for one, whole in zip(conversations, wholes, strict=True):
        if whole in beginnings:
            dropped.append(Dropped(one.id, "is the beginning or a copy of another conversation"))
        else:
            kept.append(one)
            beginnings.add(whole)
    return kept, step("repeats no other", len(conversations), len(kept), dropped)


def calls_fit(conversation: Conversation) -> str:
    """Every call is of an offered tool and fits its schema. Names the first tool and path that does not.

    Turns marked `skip` are no decisions to learn and are passed over.
    """
    tools = {tool.name: tool for tool in conversation.tools}
    for index, message in enumerate(conversation.messages):
        if message.calls and (index not in conversation.marks or not conversation.marks[index].skip):
            for call in message.calls:
                if call.name not in tools:
                    return f"calls {shown(call.name)!r}, which is not offered"
                if found := violations(tools[call.name], call.arguments):
                    return f"call of {call.name!r}: {found[0]}"
    return ""


def ends_properly(conversation: Conversation) -> str:
    """The last message is an assistant turn, and every call before it has its result.

    A call in that last turn needs none: the decision to make it is there to learn.
    """
    if not any(message.role == "assistant" for message in conversation.messages):
        return "no assistant turn"
    last = len(conversation.messages) - 1
    role = conversation.messages[last].role
    if role != "assistant":
        return f"ends with a {role} message"
    pairs = unpaired(conversation.messages)
    if pairs.orphans:
        return "a tool result without a call"
    if any(index != last for index in pairs.unanswered):
        return "a call without a result"
    return ""


def at_most(tokens: int, count: Callable[[Conversation], int]) -> Filter:
    """No longer than this many tokens as `count`, the target tokenizer's, has it.

    What the target's dialect or template refuses to write is dropped for the reason that it gives.
    """

    def too_long(conversation: Conversation) -> str:
        try:
            return f"longer than {tokens} tokens" if count(conversation) > tokens else ""
        except ToolfinchError as error:
            return str(error)

    return too_long


def trim(conversation: Conversation) -> Conversation:
    """Without what follows its last assistant turn: nothing there is a decision.

    A log is often cut after the user's last thanks or before the last answer.
    """
    end = len(conversation.messages)
    while end and conversation.messages[end - 1].role != "assistant":
        end -= 1
    if end in (0, len(conversation.messages)):
        return conversation
    return msgspec.structs.replace(conversation, messages=conversation.messages[:end])


class Unpaired(msgspec.Struct, frozen=True):
    """Indices of messages."""

    orphans: tuple[int, ...]
    """Tool results that answer no call of the turn before them."""
    unanswered: tuple[int, ...]
    """Assistant turns of which a call has no result before the next turn, once for each such call."""


def unpaired(messages: Sequence[Message]) -> Unpaired:
    """Which calls and results do not belong to each other.

    They are joined by id; a result without one answers the first open call of its name, or the first of all.
    """
    orphans: list[int] = []
    unanswered: list[int] = []
    opened = 0
    waiting: list[tuple[str, str]] = []  # (id, name) of calls still without a result
    for index, message in enumerate(messages):
        if message.result is None:
            unanswered += [opened] * len(waiting)
            waiting = [(call.id, call.name) for call in message.calls]
            opened = index
            continue
        by_id, by_name = message.result.call_id, message.result.name
        for place, (call_id, name) in enumerate(waiting):
            if call_id == by_id if by_id and call_id else by_name in ("", name):
                del waiting[place]
                break
        else:
            orphans.append(index)
    unanswered += [opened] * len(waiting)
    return Unpaired(tuple(orphans), tuple(unanswered))
