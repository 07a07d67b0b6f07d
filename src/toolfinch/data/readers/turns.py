"""`Turns`: the messages of a session whose log joins calls and results by id, wherever each of them stands.

Words and calls that the assistant wrote in a row are one turn; a result stands behind the turn of its call, even
if the log has a user's words or another call between them; of a result, or a call of one turn, that is logged
twice the last stands. A result whose call the log does not have stays where it is. Turns that are there for what
follows them, and are decisions of another session or of nobody, are marked to be skipped.

What is neither text nor a call nor a result (an image, a tool that ran at the provider) is an error in a log of
requests. In the log of an agent's session, where it is one moment of hundreds, `Turns(whole=True)` puts the kind
in brackets where it stood and among the `tags`, as `without:image`: what is decided there rests on something that
cannot be read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from toolfinch.data.readers.format import Session
from toolfinch.errors import DataError
from toolfinch.example import Mark

TEXT = ("text", "input_text", "output_text")
OTHERS = (
    *("image", "image_url", "input_image", "document", "file", "input_file", "audio", "input_audio"),
    *("server_tool_use", "web_search_tool_result", "web_fetch_tool_result", "code_execution_tool_result"),
    *(
        "web_search_call",
        "file_search_call",
        "code_interpreter_call",
        "computer_call",
        "image_generation_call",
    ),
)
"""What is named where it cannot be read."""
_SKIPPED = Mark(skip=True)
_KIND = re.compile(r"[a-z][a-z0-9_.-]{0,40}")


class Turns:
    """Messages in the order of the log. Everything raises DataError, without a value of the log in it."""

    def __init__(self, *, whole: bool = False) -> None:
        self.whole = whole
        """Whether the session is kept where a part of it cannot be read."""
        self.replayed = False
        """Whether what comes now is no decision of this session."""
        self.tags: dict[str, None] = {}
        self._skipped: set[int] = set()
        self._turns: list[dict[str, Any]] = []
        self._results: dict[int, dict[str, dict[str, Any]]] = {}  # by index of the turn, by id
        self._called: dict[str, int] = {}  # id of a call -> index of its turn
        self._made = 0

    def say(self, role: str, text: str) -> None:
        """Words; none where the text is empty. The assistant's join its open turn."""
        if not text:
            return
        if role != "assistant":
            self._turns.append({"role": role, "content": text})
            return
        turn = self._open()
        turn["content"] = f"{turn['content']}\n\n{text}" if turn["content"] else text

    def call(self, id: Any, name: Any, arguments: Any, where: str) -> str:
        """A call of the assistant's open turn; returns its id, which is made where the log has none."""
        if not isinstance(name, str) or not name:
            raise DataError(f"{where}: a call without a name")
        if not isinstance(arguments, str | dict | None):
            raise DataError(f"{where}: a call's arguments are neither an object nor text")
        known = _id(id) or self._new_id()
        function = {"name": name, "arguments": {} if arguments is None else arguments}
        one = {"id": known, "type": "function", "function": function}
        turn = self._open()
        calls = turn.get("tool_calls")
        if calls is None:
            turn["tool_calls"] = [one]
        else:
            for i, earlier in enumerate(calls):
                if earlier["id"] == known:
                    calls[i] = one
                    return known
            calls.append(one)
        self._called[known] = len(self._turns) - 1
        return known

    def result(self, id: Any, content: str, where: str, *, is_error: bool = False) -> None:
        """What a call returned."""
        known = id if type(id) is str else _id(id)
        if not known:
            raise DataError(f"{where}: a result without the id of its call")
        message: dict[str, Any] = {"role": "tool", "tool_call_id": known, "content": content}
        if is_error:
            message["is_error"] = True
        turn = self._called.get(known)
        if turn is None:
            self._turns.append(message)
        elif turn in self._results:
            self._results[turn][known] = message
        else:
            self._results[turn] = {known: message}

    def text(self, content: Any, where: str, *, between: str = "\n") -> str:
        """The text of content: a string, or parts, which are joined by `between`."""
        if content is None or isinstance(content, str):
            return content or ""
        if not isinstance(content, list):
            raise DataError(f"{where}: expected text or a list of parts, got {type(content).__name__}")
        return between.join(
            [
                part["text"]
                if type(part) is dict and part.get("type") in TEXT and type(part.get("text")) is str
                else self.part(part, f"{where}[{i}]")
                for i, part in enumerate(content)
            ]
        )

    def part(self, part: Any, where: str) -> str:
        """The text of one part of content."""
        body = mapped(part, where)
        kind = body.get("type")
        if kind not in (*TEXT, "refusal"):
            return self.unread(kind, where)
        text = body.get("refusal" if kind == "refusal" else "text")
        if not isinstance(text, str):
            raise DataError(f"{where}: a part without its text")
        return text

    def unread(self, kind: Any, where: str) -> str:
        """Something else of a kind: what stands in its place."""
        if not isinstance(kind, str) or not _KIND.fullmatch(kind):
            raise DataError(f"{where}: of no kind that is known")
        if not self.whole:
            but = f", but {kind}" if kind in OTHERS else ""  # else it may be anything
            raise DataError(f"{where}: neither text nor a call nor a result{but}")
        self.tags[f"without:{kind}"] = None
        return f"[{kind}]"

    def session(self, id: str = "", tools: Sequence[Any] | None = None, time: str = "") -> Session:
        """Raises DataError where nothing was said."""
        messages: list[dict[str, Any]] = []
        marks: dict[int, Mark] = {}
        results, skipped = self._results, self._skipped
        for i, turn in enumerate(self._turns):
            if i in skipped:
                marks[len(messages)] = _SKIPPED
            messages.append(turn)
            if i in results:
                messages += results[i].values()
        if not messages:
            raise DataError("there are no messages")
        return Session(messages, id, tools, tuple(self.tags), marks=marks, time=time)

    def _open(self) -> dict[str, Any]:
        """The assistant's turn that goes on: the last one, if nothing came back to it yet."""
        turns = self._turns
        last = len(turns) - 1
        closed = last in self._results or (last in self._skipped) != self.replayed
        if last >= 0 and not closed and turns[last]["role"] == "assistant":
            return turns[last]
        if self.replayed:
            self._skipped.add(last + 1)
        turn: dict[str, Any] = {"role": "assistant", "content": None}
        turns.append(turn)
        return turn

    def _new_id(self) -> str:
        self._made += 1
        while f"call_{self._made}" in self._called:
            self._made += 1
        return f"call_{self._made}"


def readable(parts: Iterable[Callable[[], Session | None]], none: str) -> Iterator[Session]:
    """The sessions of a log that can be read; then, as one DataError, those that could not.

    A part gives its session, None where it has none, or raises DataError. `none` is the reason where no part
    gives any.
    """
    failed: list[DataError] = []
    empty = True
    for part in parts:
        try:
            session = part()
        except DataError as error:
            failed.append(error)
            continue
        if session is not None:
            empty = False
            yield session
    if len(failed) == 1:
        raise failed[0]
    if failed:
        raise DataError(f"{failed[0]} (the first of {len(failed)} sessions that could not be read)")
    if empty:
        raise DataError(none)


def as_json(value: Any, where: str) -> str:
    """A value as JSON text. Raises DataError where it is nested too deeply."""
    try:
        return msgspec.json.encode(value).decode()
    except RecursionError as error:
        raise DataError(f"{where}: nested too deeply") from error


def listed(value: Any, where: str) -> list[Any]:
    """A list, empty where nothing is said. Raises DataError for anything else."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise DataError(f"{where}: expected a list, got {type(value).__name__}")
    return value


def mapped(value: Any, where: str) -> Mapping[str, Any]:
    """An object. Raises DataError for anything else."""
    if not isinstance(value, dict):
        raise DataError(f"{where}: expected an object, got {type(value).__name__}")
    return value


def named(row: Mapping[str, Any], *keys: str) -> str:
    """What the first of these keys with a name or a number in it says; "" where none has one."""
    for key in keys:
        found = row.get(key)
        if found is not None and (name := found if type(found) is str else _id(found)):
            return name
    return ""


def _id(value: Any) -> str:
    if isinstance(value, str):
        return value
    return str(value) if type(value) is int and abs(value) < 1 << 64 else ""
