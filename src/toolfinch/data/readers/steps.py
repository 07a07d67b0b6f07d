"""From the steps of a trace to conversations: what was asked of a model, and the tools that ran.

Tracing formats log every request with the whole history that was sent, so one session stands in the log at every
length. `conversations` follows it, the requests in the order of their time:

- a request whose messages begin with a conversation so far (apart from system messages, which may hold the
  time) continues it and takes its place: the longest is kept, with the tools that were offered last;
- one that is the beginning of a conversation so far is a repetition and goes;
- one that starts with results of calls that a conversation left open (its history is kept by the provider)
  is added to it;
- anything else is a conversation of its own: another agent, another branch, a history that was cut.

Then a tool that ran gives its result to the call that has none, and its error to the result that does not say
it. It belongs to the call of its id; where one of them has no id, to the first call of its name with equal
arguments; where its arguments are unknown, to the conversation's only call of its name. Calls without ids get some, and results without ids those of the calls they answer.

Used by the formats that log traces. Left out: several prompts in one request, and any choice but the first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from toolfinch.data.readers.format import Session
from toolfinch.errors import DataError
from toolfinch.message import canonical

T = TypeVar("T")

Chat = dict[str, Any]
"""One message in the OpenAI shape, its content text."""


class Request(msgspec.Struct, frozen=True):
    """One request to a model."""

    sent: Sequence[Chat]
    reply: Sequence[Chat] = ()
    """Empty where it failed. May begin with what was sent."""
    tools: Sequence[Any] | None = None
    time: str = ""
    """As `times.iso` gives it."""


class Run(msgspec.Struct, frozen=True):
    """One tool that ran."""

    name: str
    call_id: str = ""
    arguments: Any = None
    """None where the log does not say."""
    result: str = ""
    is_error: bool = False


@contextmanager
def guarded() -> Iterator[None]:
    """Turns what hostile values raise in recursive code and in writing JSON into DataError."""
    try:
        yield
    except RecursionError as error:
        raise DataError("nested too deeply") from error
    except UnicodeEncodeError as error:
        raise DataError("text that is not Unicode") from error


def moment(raw: Any) -> int | None:
    """A time in nanoseconds, from such a number, ISO 8601 or [seconds, nanoseconds]; None for anything else.

    Numbers of another unit keep it: all of a log have the same.
    """
    if isinstance(raw, str):
        if raw.isdecimal() and len(raw) < 30:
            return int(raw)
        try:
            time = datetime.fromisoformat(raw)
        except ValueError:
            return None
        since = (time if time.tzinfo else time.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
        return (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1000
    match raw:
        case bool():
            return None
        case int() | float():
            return int(raw) if abs(raw) < 1e30 else None
        case [int() as seconds, int() as nanoseconds]:
            return seconds * 10**9 + nanoseconds
    return None


def in_order(steps: Sequence[tuple[str, int | None, T]]) -> list[T]:
    """Steps given as (id, time, step): the last version of each id, by time; by the file where one has no time."""
    last = {id or f"#{i}": (time, step) for i, (id, time, step) in enumerate(steps)}
    versions = list(last.values())
    if all(time is not None for time, _ in versions):
        versions.sort(key=lambda version: version[0] or 0)
    return [step for _, step in versions]


class _Thread:
    """A conversation so far."""

    def __init__(
        self, messages: list[Chat], said: list[bytes], tools: Sequence[Any] | None, time: str
    ) -> None:
        self.messages = messages
        self.said = said
        self.tools = tools
        self.time = time


def conversations(id: str, requests: Sequence[Request], runs: Sequence[Run]) -> list[Session]:
    """The conversations of one session, in the order in which they began. All bear its id."""
    threads: list[_Thread] = []
    known: dict[int, bytes] = {}
    kept: list[list[Chat]] = []  # alive
    for request in requests:
        sent, reply = _merged(request.sent), _merged(request.reply)
        kept += (sent, reply)
        said, answered = _said(sent, known), _said(reply, known)
        if said and answered[: len(said)] == said:
            whole, said = reply, answered
        else:
            whole, said = [*sent, *reply], said + answered
        if not said:
            continue
        for thread in reversed(threads):
            if said[: len(thread.said)] == thread.said:
                thread.messages, thread.said = whole, said
            elif thread.said[: len(said)] == said:
                break
            elif _answers(sent, thread.messages):
                thread.messages += [one for one in whole if one["role"] != "system"]
                thread.said += said
            else:
                continue
            thread.tools = request.tools or thread.tools
            thread.time = thread.time or request.time
            break
        else:
            threads.append(_Thread(whole, said, request.tools, request.time))
    return [Session(_joined(thread.messages, runs), id, thread.tools, time=thread.time) for thread in threads]


def _merged(messages: Sequence[Chat]) -> list[Chat]:
    """Some logs give each call of a turn a message of its own: such a turn as one message."""
    out: list[Chat] = []
    for message in messages:
        if out and out[-1]["role"] == "assistant" and message.get("tool_calls"):
            before = out[-1]
            text = "".join(filter(None, (before["content"], message["content"])))
            calls = [*before.get("tool_calls", ()), *message["tool_calls"]]
            out[-1] = {"role": "assistant", "content": text or None, "tool_calls": calls}
        else:
            out.append(message)
    return out


def _said(messages: Sequence[Chat], known: dict[int, bytes]) -> list[bytes]:
    """What each message says, without system messages and without ids: some logs write them only once.

    `known` has that of messages that are still alive, by their `id`: a reader may give one many times.
    """
    said = []
    for message in messages:
        if message["role"] == "system":
            continue
        text = known.get(id(message))
        if text is None:
            calls = [(call["function"]["name"], _plain(call)) for call in message.get("tool_calls", ())]
            text = canonical([message["role"], message["content"] or "", calls])
            known[id(message)] = text
        said.append(text)
    return said


def _plain(call: Chat) -> Any:
    """A call's arguments, whether they are text or not."""
    arguments = call["function"]["arguments"]
    if isinstance(arguments, str):
        try:
            return msgspec.json.decode(arguments or "{}")
        except (msgspec.DecodeError, ValueError):
            return arguments
    return arguments


def _answers(sent: Sequence[Chat], messages: Sequence[Chat]) -> bool:
    """Whether what is sent starts with results of calls that are still open at the end of the messages."""
    first = next((one for one in sent if one["role"] != "system"), None)
    calls = messages[-1].get("tool_calls", ()) if messages else ()
    if first is None or first["role"] != "tool" or not first["tool_call_id"]:
        return False
    return any(call["id"] == first["tool_call_id"] for call in calls)


def _joined(messages: Sequence[Chat], runs: Sequence[Run]) -> list[Chat]:
    """The messages with every call's id, and with the results and errors that only the tools' runs say."""
    pool = list(runs)
    names = Counter(
        call["function"]["name"] for message in messages for call in message.get("tool_calls", ())
    )
    taken = {call["id"] for message in messages for call in message.get("tool_calls", ())}
    out: list[Chat] = []
    number = place = 0
    while place < len(messages):
        message = messages[place]
        place += 1
        if not message.get("tool_calls"):
            out.append(message)
            continue
        calls: list[Chat] = []
        matches = []
        for call in message["tool_calls"]:
            matches.append(_take(pool, call, alone=names[call["function"]["name"]] == 1))
            if not call["id"]:
                number += 1
                while f"call_{number}" in taken:
                    number += 1
                call = {**call, "id": f"call_{number}"}
            calls.append(call)
        out.append({**message, "tool_calls": calls})
        waiting = dict(zip([call["id"] for call in calls], zip(calls, matches, strict=True), strict=True))
        while place < len(messages) and messages[place]["role"] == "tool":
            result = messages[place]
            place += 1
            id = result["tool_call_id"] or _open(waiting, result.get("name"))
            _, run = waiting.pop(id, (None, None))
            failed = result.get("is_error") or (run is not None and run.is_error)
            out.append({**result, "tool_call_id": id, **({"is_error": True} if failed else {})})
        for id, (call, run) in waiting.items():
            if run is not None:
                name = call["function"]["name"]
                out.append(tool_message(run.result, id, name, is_error=run.is_error))
    return out


def tool_message(content: str, call_id: str = "", name: str = "", *, is_error: bool = False) -> Chat:
    """A tool's result in the OpenAI shape, with our `is_error`."""
    out: Chat = {"role": "tool", "tool_call_id": call_id, "content": content}
    if name:
        out["name"] = name
    if is_error:
        out["is_error"] = True
    return out


def _open(waiting: Mapping[str, tuple[Chat, Run | None]], name: str | None) -> str:
    """The id of the first call that waits for a result of this name, or for any where the result has none."""
    fits = (id for id, (call, _) in waiting.items() if name in (None, call["function"]["name"]))
    return next(fits, "")


def _take(pool: list[Run], call: Chat, *, alone: bool) -> Run | None:
    """Takes a call's run out of the pool; `alone` says that no other call has its name."""
    for i, run in enumerate(pool):
        if run.call_id and run.call_id == call["id"]:
            return pool.pop(i)
    arguments = canonical(_plain(call))
    for i, run in enumerate(pool):
        fits = alone if run.arguments is None else canonical(run.arguments) == arguments
        if fits and run.name == call["function"]["name"] and not (run.call_id and call["id"]):
            return pool.pop(i)
    return None
