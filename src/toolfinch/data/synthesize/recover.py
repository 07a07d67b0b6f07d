"""Calls that fail or find nothing: the same again, a corrected one, another tool, or an honest report.

What is right follows from what can be read: an error that says to retry, or that names the right value, is
followed; a fallback that the user named is taken, and only then; everything else is reported as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from toolfinch.data.synthesize.grammar import Text, roughen
from toolfinch.data.synthesize.mocks import Result, encode
from toolfinch.data.synthesize.request import Asking, Call, Request, Said, Turn
from toolfinch.data.synthesize.scenarios import answer, ask_for, insert, sentence

TRANSIENT = (
    "request timed out",
    "service unavailable",
    "rate limit exceeded",
    "connection lost",
    "server busy",
)
HINTS = ("please retry", "try again", "temporary failure, retry", "retry the call")


def fail(error: str, asking: Asking) -> Result:
    """A tool's failure, in one of the shapes that tools use."""
    shapes: tuple[Any, ...] = (
        {"error": error},
        {"ok": False, "error": error},
        {"status": "error", "message": error},
        f"Error: {error}",
    )
    return Result(encode(asking.rand.pick(shapes)), {"error": error}, is_error=True)


def report(error: str, asking: Asking) -> Said:
    """An honest sentence about a failure."""
    sorry = asking.say(asking.shared("common", "sorry"))
    return Said("say", f"{sorry} {asking.say(asking.shared('common', 'failed'), {'error': error})}")


def _error(tool: str, asking: Asking) -> str:
    return asking.rand.pick(asking.known[tool].errors or TRANSIENT)


def _failed(tool: str, args: dict[str, Any], error: str, asking: Asking) -> Call:
    return Call(tool, args, fail(error, asking), asking.accept(tool, args))


def reported(asking: Asking) -> Request:
    """A failure is reported; sometimes the user then has it tried again."""
    rand = asking.rand
    tool = rand.pick(asking.names)
    text = ask_for(tool, asking)
    error = _error(tool, asking)
    turns: list[Turn] = [
        asking.typed(text),
        (_failed(tool, text.values, error, asking),),
        report(error, asking),
    ]
    if rand.chance(0.3):
        again = asking.call(tool, text.values)
        turns += [asking.say(asking.shared("common", "again")), (again,), answer([again], asking)]
    return Request("error_recovery", tuple(turns))


def retried(asking: Asking) -> Request | None:
    """The error asks for a retry, and the tool may be called twice."""
    rand = asking.rand
    safe = [tool for tool in asking.names if asking.skills[tool].tool.idempotent]
    if not safe:
        return None
    tool = rand.pick(safe)
    text = ask_for(tool, asking)
    error = rand.pick(TRANSIENT)
    first = _failed(tool, text.values, f"{error}, {rand.pick(HINTS)}", asking)
    turns: list[Turn] = [asking.typed(text), (first,)]
    if rand.chance(0.7):
        second = asking.call(tool, text.values)
        turns += [(second,), answer([second], asking)]
    else:
        turns += [(_failed(tool, text.values, error, asking),), report(error, asking)]
    return Request("error_recovery", tuple(turns))


def corrected(asking: Asking) -> Request | None:
    """The error names the right value: call again with it."""
    rand = asking.rand
    can = [tool for tool in asking.names if asking.skills[tool].corrections]
    if not can:
        return None
    tool = rand.pick(can)
    text = ask_for(tool, asking)
    name, errors = rand.pick(tuple(asking.skills[tool].corrections.items()))
    if name not in text.values:
        return None
    right = asking.fill(tool)(name)[0]
    first = _failed(tool, text.values, rand.pick(errors).format(right), asking)
    second = asking.call(tool, {**text.values, name: right})
    return Request("error_recovery", (roughen(text, rand), (first,), (second,), answer([second], asking)))


def empty(asking: Asking) -> Request | None:
    """Nothing was found, and that is what is said."""
    rand = asking.rand
    can = [tool for tool in asking.names if asking.skills[tool].empty]
    if not can:
        return None
    tool = rand.pick(can)
    text = ask_for(tool, asking)
    call = Call(
        tool, text.values, Result(rand.pick(asking.skills[tool].empty), {}), asking.accept(tool, text.values)
    )
    said = Said("say", asking.say(asking.skills[tool].sections["empty"], text.values))
    return Request("error_recovery", (roughen(text, rand), (call,), said))


def fallback(asking: Asking) -> Request | None:
    """The user says what to do if the first thing fails; it does, or it does not."""
    rand = asking.rand
    if len(asking.names) < 2:
        return None
    tool, other = rand.sample(asking.names, 2)
    first = asking.write(rand.pick(asking.skills[tool].sections["clause"]), tool)
    second = asking.write(rand.pick(asking.skills[other].sections["clause"]), other)
    text = Text()
    text.extend(first)
    text.extend(asking.write(rand.pick(asking.shared("common", "fallback"))))
    text.add(" ")
    text.extend(second)
    if rand.chance(0.35):
        text = insert(rand.pick(asking.shared("common", "lead")), text, asking)
    turns: list[Turn] = [roughen(text, rand)]
    if rand.chance(0.3):
        call = asking.call(tool, first.values)
        return Request("error_recovery", (*turns, (call,), answer([call], asking)))
    error = _error(tool, asking)
    call = asking.call(other, second.values)
    failed = _failed(tool, first.values, error, asking)
    said = f"{report(error, asking).text} {sentence(call, asking)}"
    return Request("error_recovery", (*turns, (failed,), (call,), Said("say", said)))


def halfway(asking: Asking) -> Request | None:
    """One of two independent calls fails: both are told."""
    rand = asking.rand
    if len(asking.names) < 2:
        return None
    tools = rand.sample(asking.names, 2)
    text = Text()
    calls: list[Call] = []
    said: list[str] = []
    broken = rand.below(2)
    for i, tool in enumerate(tools):
        clause = asking.write(rand.pick(asking.skills[tool].sections["clause"]), tool)
        if i:
            text.extend(asking.write(rand.pick(asking.shared("common", "join"))))
            text.add(" ")
        text.extend(clause)
        if i == broken:
            error = _error(tool, asking)
            calls.append(_failed(tool, clause.values, error, asking))
            said.append(report(error, asking).text)
        else:
            calls.append(asking.call(tool, clause.values))
            said.append(sentence(calls[-1], asking))
    return Request("error_recovery", (roughen(text, rand), tuple(calls), Said("say", " ".join(said))))


WAYS: tuple[tuple[Callable[[Asking], Request | None], float], ...] = (
    (reported, 3.0),
    (retried, 2.0),
    (corrected, 2.0),
    (empty, 1.2),
    (fallback, 1.2),
    (halfway, 0.8),
)


def error_recovery(asking: Asking) -> Request | None:
    return asking.rand.weighted(WAYS)(asking)
