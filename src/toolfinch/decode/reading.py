"""`Reading`: the text of a reply as it is written, through the turn's end and the dialect's parser, to the last word.

What is read as a call and may not go out (`Refuses`) is unread. Two kinds of stop strings: the dialect's end the turn wherever they appear in the generated text; the
caller's are looked for in the words only, so a `\\n` meant for prose cannot cut a call in half.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from toolfinch.caller import Delta
from toolfinch.dialects import Dialect, Parser
from toolfinch.dialects.tagged import say, thoughts
from toolfinch.message import ToolCall
from toolfinch.tool import Tool

Refuses = Callable[[ToolCall], bool]


class _Until:
    """Passes text up to the first of some strings, holding back what may be the beginning of one."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = [stop for stop in stops if stop]
        self._held = ""
        self.hit = False

    def feed(self, text: str) -> str:
        text = self._held + text
        found = [at for at in map(text.find, self._stops) if at >= 0]
        if found:
            self.hit, self._held = True, ""
            return text[: min(found)]
        longest = max((len(stop) for stop in self._stops), default=1) - 1
        for length in range(min(longest, len(text)), 0, -1):
            if any(stop.startswith(text[-length:]) for stop in self._stops):
                self._held = text[-length:]
                return text[:-length]
        self._held = ""
        return text

    def flush(self) -> str:
        held, self._held = self._held, ""
        return held


class Reading:
    """The reply so far."""

    def __init__(
        self, dialect: Dialect, tools: Sequence[Tool], stop: Sequence[str], one_call: bool, refuses: Refuses
    ) -> None:
        self._parser = dialect.parser(tools)
        self._tools, self._thinks, self._refuses = tools, dialect.thinks, refuses
        self._turn = _Until(dialect.stops)
        self._words = _Until(stop)
        self._one_call = one_call
        self.done = False
        self.raw = ""
        self.content = ""
        self.calls: list[ToolCall] = []
        self.unread: tuple[str, ...] = ()
        self._refused: list[str] = []

    @property
    def read(self) -> int:
        """How many calls were read, with those that may not go out."""
        return len(self.calls) + len(self._refused)

    def only_words(self) -> None:
        """What follows is a value of a schema, and no call whatever stands in it."""
        thinks = self._thinks

        def step(parser: Parser, final: bool) -> bool:
            if thinks and (thinking := thoughts(parser, final)) is not None:
                return thinking
            say(parser, parser.take(len(parser.pending)))
            return False

        words = Parser(step, self._tools)
        words.pending, words.last = self._parser.pending, self._parser.last
        self._parser = words

    def resume(self, text: str) -> None:
        """What the prompt has already written of the turn, as an opened `<think>`; it is no part of `raw`."""
        self._parser.feed(text)

    def feed(self, text: str) -> list[Delta]:
        self.raw += text
        out = self._take(self._parser.feed(self._turn.feed(text)))
        self.done = self.done or self._turn.hit
        return out

    def finish(self, tail: str) -> list[Delta]:
        """Read what is left; nothing more comes."""
        out = self.feed(tail)
        if not self._turn.hit:
            out += self._take(self._parser.feed(self._turn.flush()))
        out += self._take(self._parser.close())
        if not self._words.hit:
            out += self._say(self._words.flush())
        self.unread = (*self._parser.finish().unread, *self._refused)
        return out

    def _take(self, deltas: Sequence[Delta]) -> list[Delta]:
        out: list[Delta] = []
        for delta in deltas:
            if self.done:
                break
            if delta.call is None:
                out += self._say(self._words.feed(delta.text))
                self.done = self._words.hit
            elif self._refuses(delta.call):
                self._refused.append(_written(delta.call))
            else:
                out += self._say(self._words.flush())
                out.append(delta)
                self.calls.append(delta.call)
                self.done = self._one_call
        return out

    def _say(self, text: str) -> list[Delta]:
        self.content += text
        return [Delta(text)] if text else []


def _written(call: ToolCall) -> str:
    return msgspec.json.encode({"name": call.name, "arguments": call.arguments}).decode()
