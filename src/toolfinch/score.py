"""`Score` and `Failure`: what was right in a reply, and what kind of failure it was.

`score(example, reply)` is a pure function; the evaluation and the training reward are this same function.
It compares calls with calls: names as a multiset, arguments by value and against the tool's schema, in any
order. What is right never depends on prose: of a reply without a call it sees only whether it ends with a
question mark. Only to tell one kind of failure from another does it read words, by the rule of `grounding`.
The rates made from many scores, with their formulas, are in docs/metrics.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple, get_args

import msgspec

from toolfinch.caller import Reply
from toolfinch.example import QUESTION_MARKS, Example, Expected, ExpectedCall, Kind
from toolfinch.grounding import nfc, normal, ungrounded
from toolfinch.message import Message, ToolCall
from toolfinch.schema import validator
from toolfinch.tool import Tool

FailureKind = Literal[
    "endpoint_error",
    "context_exceeded",
    "malformed",
    "premature_call",
    "wrong_order",
    "repeated_call",
    "stray_call",
    "fabricated_result",
    "gave_up_early",
    "missed_call",
    "wrong_tool",
    "unknown_argument",
    "missing_argument",
    "wrong_type",
    "not_grounded",
    "wrong_value",
]
"""In order of precedence: a reply with several faults has the first of them.

- endpoint_error: the engine or endpoint gave no reply; it says nothing about the model.
- context_exceeded: the prompt is longer than the model can read. That is the model's limit, so it is wrong.
- malformed: something that looked like a call could not be read, or the token limit came before anything.
- premature_call: a tool was called whose calls depend on what was due now, and was not due itself.
- wrong_order: a call of a later step of the same request was made now, though nothing is known to depend.
- repeated_call: a wrong call equals another call of the reply, or one made since the last user message.
- stray_call: no expected call is missing, and there is one more than expected.
- fabricated_result: no call where one is due, and words with a value that nothing in the prompt holds.
- gave_up_early: no call where a further one is due, after the first results.
- missed_call: an expected call is missing, and no other was made in its place.
- wrong_tool: another tool was called in place of the expected one.
- unknown_argument: an argument that the tool does not have.
- missing_argument: an expected argument is absent.
- wrong_type: a value of another JSON type than every acceptable one (`"3"` for `3`).
- not_grounded: a value that no message holds, where the acceptable one stands in a message or none was due.
- wrong_value: a value that is not acceptable, or an argument of the tool that was not called for.
"""
FAILURES: tuple[FailureKind, ...] = get_args(FailureKind)


class Failure(msgspec.Struct, frozen=True):
    """Why a reply is not right."""

    kind: FailureKind
    why: str
    """One line for the person who reads the report."""


class CallScore(msgspec.Struct, frozen=True):
    """One call of the reply."""

    name: str
    valid: bool
    """The tool was offered and the arguments fit its schema."""
    gold: int | None
    """Index of the expected call of the same name that it was paired with."""
    accurate: bool
    """Paired, and every argument is acceptable."""


class Score(msgspec.Struct, frozen=True):
    """What was right in one reply."""

    expected_kind: Kind
    got_kind: Literal["call", "say", "ask", "nothing"]
    """`call`: calls were made or tried; `ask`: the text ends with a question mark; `say`: all else. A decline
    is a `say`: telling them apart would need to read prose. `nothing`: there was no turn at all."""
    decision_right: bool
    """Call or no call, as expected."""
    tool_decision_right: bool
    """The decision is right, and so is the multiset of tool names."""
    kind_right: bool
    """`got_kind` is the expected kind, `decline` taken for `say`."""
    names_tp: int
    names_fp: int
    names_fn: int
    """Tool selection, over the multisets of expected and called names."""
    json_valid: bool
    """Nothing that looked like a call was left unread."""
    calls: tuple[CallScore, ...]
    """In the order of the reply."""
    keys_tp: int
    keys_fp: int
    keys_fn: int
    """Argument names, over the pairs of calls; an unpaired call counts all of its arguments."""
    exact: bool
    """Expected calls and calls made match one to one in any order; or none was expected and none made."""
    failure: Failure | None
    """None exactly where `exact` holds."""


class _Fault(NamedTuple):
    """One argument that keeps a call from being accurate."""

    key: str
    kind: FailureKind
    why: str
    value: Any = None
    acceptable: Sequence[Any] = ()


def score(example: Example, reply: Reply) -> Score:
    """Score one reply.

    Values are compared as JSON: `3` equals `3.0`; `"3"`, `3` and `True` all differ; strings are equal after
    Unicode NFC and nothing else. Leaving an argument out is the same as giving the schema's default. What an
    expected call says otherwise (`folded`, `defaults`) holds for it.
    No reply can make it raise; an example whose tools were not normalised (`schema.normalise`) can.
    """
    calls = reply.message.calls
    tools = {tool.name: tool for tool in example.tools}
    gold = example.expected.calls
    faults = {
        (g, c): tuple(_faults(expected, call, tools.get(call.name)))
        for g, expected in enumerate(gold)
        for c, call in enumerate(calls)
        if expected.call.name == call.name
    }
    if (
        example.expected.kind == "call" and not gold
    ):  # any call will do: each of an offered tool is its own gold
        offered = [c for c, call in enumerate(calls) if call.name in tools]
        gold = tuple(ExpectedCall(calls[c]) for c in offered)
        faults = dict.fromkeys(enumerate(offered), ())
    pairs = _pair(faults)
    scored = tuple(
        CallScore(
            name=call.name,
            valid=call.name in tools and _fits(tools[call.name], call.arguments),
            gold=pairs.get(c),
            accurate=c in pairs and not faults[pairs[c], c],
        )
        for c, call in enumerate(calls)
    )
    paired = [(gold[g].call.arguments, calls[c].arguments, faults[g, c]) for c, g in pairs.items()]
    extra = [call for c, call in enumerate(calls) if c not in pairs]
    placed = set(pairs.values())
    missing = [expected for g, expected in enumerate(gold) if g not in placed]

    got_kind = _got_kind(reply)
    want_kind = "say" if example.expected.kind == "decline" else example.expected.kind
    answered = got_kind != "nothing"
    decision_right = answered and (got_kind == "call") == (want_kind == "call")
    tool_decision_right = decision_right and not (reply.unread or extra or missing)
    exact = tool_decision_right and all(call.accurate for call in scored)
    return Score(
        expected_kind=example.expected.kind,
        got_kind=got_kind,
        decision_right=decision_right,
        tool_decision_right=tool_decision_right,
        kind_right=answered and got_kind == want_kind,
        names_tp=len(pairs),
        names_fp=len(extra),
        names_fn=len(missing),
        json_valid=not reply.unread,
        calls=scored,
        keys_tp=sum(len(want.keys() & got.keys()) for want, got, _ in paired),
        keys_fp=sum(fault.key not in want for want, _, found in paired for fault in found)
        + sum(len(call.arguments) for call in extra),
        keys_fn=sum(fault.kind == "missing_argument" for _, _, found in paired for fault in found)
        + sum(key not in e.optional for e in missing for key in e.call.arguments),
        exact=exact,
        failure=None
        if exact
        else _no_decision(example, reply)
        or _too_early(example.expected, calls, scored, extra)
        or _wrong_calls(example, calls, scored, extra, missing)
        or _wrong_arguments(example, [fault for _, _, found in paired for fault in found]),
    )


def same_value(a: Any, b: Any, *, folded: bool = False) -> bool:
    """Equality of JSON values, as `score` means it. Does not recurse: a reply may nest without end.

    `folded` compares strings as `ExpectedCall.folded` says.
    """
    todo = [(a, b)]
    while todo:
        a, b = todo.pop()
        if isinstance(a, bool) or isinstance(b, bool) or a is None or b is None:
            if a is not b:
                return False
        elif isinstance(a, (int, float)) and isinstance(b, (int, float)):
            if a != b and not (a != a and b != b):  # NaN is no JSON, but it is equal to itself here
                return False
        elif isinstance(a, str) and isinstance(b, str):
            if a != b and _folded(a, folded) != _folded(b, folded):
                return False
        elif isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
            if len(a) != len(b):
                return False
            todo.extend(zip(a, b, strict=True))
        elif isinstance(a, dict) and isinstance(b, dict):
            if a.keys() != b.keys():
                return False
            todo.extend((a[key], b[key]) for key in a)
        else:
            return False
    return True


_UNFOLDED = str.maketrans("'", '"', " ,./-_*^")


def _folded(text: str, folded: bool) -> str:
    text = nfc(text)
    return text.translate(_UNFOLDED).lower() if folded else text


def _cut_off(reply: Reply) -> bool:
    """Nothing came before the token limit, as where a model is still thinking: that is no turn without a call."""
    return reply.stop == "length" and not (
        reply.message.calls or reply.unread or reply.message.content.strip()
    )


def _got_kind(reply: Reply) -> Literal["call", "say", "ask", "nothing"]:
    if reply.stop in ("error", "context") or _cut_off(reply):
        return "nothing"
    if reply.message.calls or reply.unread:
        return "call"
    return "ask" if reply.message.content.rstrip().endswith(QUESTION_MARKS) else "say"


def _fits(tool: Tool, arguments: dict[str, Any]) -> bool:
    check = validator(tool)
    try:
        return check.is_valid(arguments)
    except ValueError:  # no JSON object at all: a key that is no string, or half of a surrogate pair
        return False


def _faults(expected: ExpectedCall, call: ToolCall, tool: Tool | None) -> Iterator[_Fault]:
    """What is wrong with the arguments of a call that has the expected name."""
    schema: Mapping[str, Any] = tool.parameters if tool else {}
    properties = schema.get("properties", {})
    defaults = {}
    if expected.defaults:
        defaults = {k: p["default"] for k, p in properties.items() if isinstance(p, dict) and "default" in p}
    gold = expected.call.arguments
    for key, value in gold.items():
        acceptable = (value, *expected.accept.get(key, ()))
        left_out = key in expected.optional or (key in defaults and _among(defaults[key], acceptable))
        if key in call.arguments:
            yield from _value_fault(call, key, acceptable, expected.folded)
        elif not left_out:
            yield _Fault(key, "missing_argument", f"{_at(call, key)}: absent, expected {_show(value)}")
    for key, value in call.arguments.items():
        if key in gold:
            continue
        acceptable = expected.accept.get(key, ())
        if key in defaults:
            acceptable = (*acceptable, defaults[key])
        if acceptable:
            yield from _value_fault(call, key, acceptable, expected.folded)
        elif key not in properties and schema.get("additionalProperties", False) is False:
            yield _Fault(key, "unknown_argument", f"{call.name} has no argument {_show(key)}")
        else:
            why = f"{_at(call, key)}: not called for, got {_show(value)}"
            yield _Fault(key, "wrong_value", why, value)


def _at(call: ToolCall, key: str) -> str:
    """`tool.argument`, on one line whatever a reply took for an argument."""
    plain = isinstance(key, str) and key.isprintable() and len(key) <= 80
    return f"{call.name}.{key if plain else _show(key)}"


def _value_fault(call: ToolCall, key: str, acceptable: Sequence[Any], folded: bool) -> Iterator[_Fault]:
    value = call.arguments[key]
    if not _among(value, acceptable, folded):
        same_type = _json_type(value) in map(_json_type, acceptable)
        want = " or ".join(_show(v) for v in acceptable[:3])
        why = f"{_at(call, key)}: expected {want}, got {_show(value)}"
        yield _Fault(key, "wrong_value" if same_type else "wrong_type", why, value, acceptable)


def _among(value: Any, acceptable: Sequence[Any], folded: bool = False) -> bool:
    return any(same_value(value, v, folded=folded) for v in acceptable)


def _pair(faults: Mapping[tuple[int, int], Sequence[_Fault]]) -> dict[int, int]:
    """Pair calls with expected calls of the same name; gives expected index by call index.

    As many accurate pairs as there can be (augmenting paths: one call may be acceptable to two expected
    calls), then the rest by fewest faults.
    """
    accurate: dict[int, list[int]] = {}
    for (g, c), found in faults.items():
        if not found:
            accurate.setdefault(g, []).append(c)
    pairs: dict[int, int] = {}
    placed: dict[int, int] = {}  # the same, by expected call
    for first in accurate:
        asked = [first]  # expected calls that want a call: the first, then those that would lose theirs
        wanted: dict[int, int] = {}  # which of them came to a call
        for g in asked:  # grows as it goes; no recursion, for the path may be as long as the reply
            reached = [c for c in accurate[g] if c not in wanted]
            wanted.update(dict.fromkeys(reached, g))
            free = next((c for c in reached if c not in pairs), None)
            if free is not None:
                _hand_on(free, wanted, pairs, placed)
                break
            asked += [pairs[c] for c in reached]
    for g, c in sorted(faults, key=lambda at: (len(faults[at]), at)):
        if c not in pairs and g not in placed:
            pairs[c], placed[g] = g, c
    return pairs


def _hand_on(free: int, wanted: Mapping[int, int], pairs: dict[int, int], placed: dict[int, int]) -> None:
    """Give a free call to who wants it, the call that it had to who wants that one, and so on."""
    call: int | None = free
    while call is not None:
        taker = wanted[call]
        had = placed.get(taker)
        pairs[call], placed[taker] = taker, call
        call = had


def _no_decision(example: Example, reply: Reply) -> Failure | None:
    """The failures that leave no calls to look at."""
    if reply.stop == "error":
        return Failure("endpoint_error", reply.error or "the engine gave no reply")
    if reply.stop == "context":
        return Failure("context_exceeded", reply.error or "the prompt does not fit the model's context")
    if _cut_off(reply):
        return Failure("malformed", "the token limit came before anything was said")
    if reply.unread:
        return Failure("malformed", f"could not be read: {_show(reply.unread[0])}")
    if not reply.message.calls:
        names = [e.call.name for e in example.expected.calls]
        return _no_call(example, reply.message.content, f"expected {_show(names) if names else 'a call'}")
    return None


def _no_call(example: Example, said: str, expected: str) -> Failure:
    """Why words in place of a due call are wrong."""
    sources = (*_said(example.messages), *_shown(example.tools))
    if _readable(sources) and (made_up := ungrounded(said[:_READ], sources)):
        return Failure("fabricated_result", f"{expected}, made no call and states {_show(made_up)}")
    if example.messages and example.messages[-1].role == "tool":
        return Failure("gave_up_early", f"{expected} after these results, made no call")
    return Failure("missed_call", f"{expected}, made no call")


def _too_early(
    expected: Expected, calls: Sequence[ToolCall], scored: Sequence[CallScore], extra: Sequence[ToolCall]
) -> Failure | None:
    early = [call.name for call in extra if call.name in expected.later]
    if early:
        return Failure("premature_call", f"called before what it depends on: {_show(early)}")
    due = {each.call.name for each in expected.calls}
    then = {call.name for call in expected.then} - due
    ahead = [call.name for call in extra if call.name in then]
    ahead += [
        call.name
        for call, one in zip(calls, scored, strict=True)
        if call.name in due and not one.accurate and any(_same_call(call, other) for other in expected.then)
    ]
    return Failure("wrong_order", f"called ahead of what is due: {_show(ahead)}") if ahead else None


def _wrong_calls(
    example: Example,
    calls: Sequence[ToolCall],
    scored: Sequence[CallScore],
    extra: Sequence[ToolCall],
    missing: Sequence[ExpectedCall],
) -> Failure | None:
    """The failures of which calls were made."""
    earlier: list[ToolCall] = []
    for message in reversed(example.messages):
        if message.role == "user":
            break
        earlier.extend(message.calls)
    several = calls[:_COMPARED]
    for i, call in enumerate(several):
        others = (*earlier[:_COMPARED], *several[:i], *several[i + 1 :])
        if not scored[i].accurate and any(_same_call(call, other) for other in others):
            return Failure("repeated_call", f"{_show(call.name)}: the same call was already made")
    got = _show([call.name for call in extra])
    want = _show([e.call.name for e in missing])
    if extra and missing:
        return Failure("wrong_tool", f"expected {want}, called {got}")
    if (
        len(extra) == len(calls) and example.expected.kind == "call"
    ):  # any call will do, but to a tool that there is
        return Failure("wrong_tool", f"expected any of the tools offered, called {got}")
    if extra:
        return Failure("stray_call", f"not expected: {got}")
    if missing:
        return Failure("missed_call", f"not called: {want}")
    return None


def _wrong_arguments(example: Example, faults: Sequence[_Fault]) -> Failure:
    worst = min(faults, key=lambda fault: FAILURES.index(fault.kind))
    said = tuple(_said(example.messages))
    shown = (*said, *_shown(example.tools))
    if worst.kind != "wrong_value" or not _readable(shown):
        return Failure(worst.kind, worst.why)
    for fault in faults:
        inferred = fault.acceptable and not any(_stands(value, said) for value in fault.acceptable)
        if not inferred and not _stands(fault.value, shown):
            return Failure("not_grounded", f"{fault.why}, which no message holds")
    return Failure("wrong_value", worst.why)


_READ = 20_000
"""Characters of a text that are read to name a failure; a reply may be of any length."""
_PROMPT = 500_000
"""Characters of the longest prompt that is read for that; of a longer one no value is known to be made up."""
_COMPARED = 100
"""Calls of a reply, and of those before it, among which an equal one is looked for to name a failure."""


def _readable(sources: Sequence[str]) -> bool:
    return sum(map(len, sources)) <= _PROMPT


def _said(messages: Sequence[Message]) -> list[str]:
    """Everything that the messages say, hold as arguments, or brought as results."""
    return [text for m in messages for text in (m.content, *(_text(c.arguments) for c in m.calls)) if text]


def _shown(tools: Sequence[Tool]) -> list[str]:
    return [text for tool in tools for text in (tool.name, tool.description, _text(tool.parameters))]


def _text(value: Any) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except (TypeError, ValueError, RecursionError):  # a surrogate half, a key that is no string, nesting
        return ""


def _stands(value: Any, sources: tuple[str, ...]) -> bool:
    """Every string and number in a value stands in a source, in any spelling that `grounding` knows."""
    todo = [value]
    known: set[str] = set()
    while todo:
        match todo.pop():
            case bool() | None:
                continue
            case int() | float() as number:
                shown = _show(number)
                if shown not in known and ungrounded(shown, sources):
                    return False
                known.add(shown)
            case str() as text:
                text = text[:_READ]
                if text not in known and normal(text).casefold() not in _plain(sources):
                    if not _has_values(text) or ungrounded(text, sources):
                        return False
                    known.add(text)
            case dict() as members:
                todo.extend(members.values())
            case list() | tuple() as items:
                todo.extend(items)
    return True


@lru_cache(maxsize=4)
def _plain(sources: tuple[str, ...]) -> str:
    return normal("\n".join(sources)).casefold()


def _has_values(text: str) -> bool:
    """Whether a text holds anything that `grounding` could miss: plain words hold nothing."""
    return bool(ungrounded(text, ()))


def _same_call(a: ToolCall, b: ToolCall) -> bool:
    # Not `ToolCall.same`: a hostile reply can make its encoding fail, and it tells 1 from 1.0.
    return a.name == b.name and same_value(a.arguments, b.arguments)


def _json_type(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case dict():
            return "object"
        case _:
            return "array"


def _show(value: Any, depth: int = 3) -> str:
    """A short one-line form of any value, however deep or long."""
    match value:
        case str():
            return repr(value[:80]) + ("…" if len(value) > 80 else "")
        case bool() | None | float():
            return repr(value)
        case int():
            return str(value) if abs(value) < 10**30 else "a very large integer"
        case list() | tuple() if depth:
            shown = [_show(v, depth - 1) for v in value[:4]]
            return "[" + ", ".join(shown + ["…"] * (len(value) > 4)) + "]"
        case dict() if depth:
            shown = [f"{_show(k)}: {_show(value[k], depth - 1)}" for k in list(value)[:4]]
            return "{" + ", ".join(shown + ["…"] * (len(value) > 4)) + "}"
        case _:
            return "…"
