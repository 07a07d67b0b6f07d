"""`Dialect`: how a model family writes calls as text, and `Parser`, which reads a turn as it is written.

A dialect is data: marks, two functions that write, and one that reads a step further. Writing and reading
are inverses, and that is not left to hope: what `render_calls` and `render_turn` wrote is read again, and a
call that would come back changed is refused with an error. `parse` is the streaming parser fed at once, so
the two cannot differ; however a text is cut into chunks, the deltas add up to the same turn.

Nothing is dropped but white space between parts and the marks themselves: what looks like a call and cannot
be read is in `Parsed.unread`, all else in `content`, `thinking` or a call. Whether the tool exists and the
arguments fit its schema is left to the score and the gate; prompts are left to `chat_template`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from toolfinch.caller import Delta
from toolfinch.errors import ToolfinchError
from toolfinch.message import Message, ToolCall, canonical
from toolfinch.tool import Tool, in_schema_order


class Parsed(msgspec.Struct, frozen=True):
    """A turn, read."""

    content: str = ""
    calls: tuple[ToolCall, ...] = ()
    unread: tuple[str, ...] = ()
    """What looked like a call and could not be read, as it was written."""
    thinking: str = ""
    """What was thought before the turn and is not part of it: a leading `<think>` block, or in `react` the
    thought before a final answer."""


class Parser:
    """Reads one turn as it arrives: `feed` each chunk, `close` at the end, `finish` for the whole.

    Text that the prompt already wrote for the model (a forced start, an opened `<think>`) is fed first.

    A dialect's `step` looks at `pending` and settles as much of it as it can through `say`, `call`, `lose`
    and `think`; it returns whether to be asked again. What it settles may not depend on text that
    has yet to come, so that chunks do not matter.
    """

    def __init__(self, step: Step, tools: Sequence[Tool]) -> None:
        self.tools = tools
        self.pending = ""
        """Text that is not settled yet."""
        self.last: Literal["start", "text", "block"] = "start"
        """What was settled last: nothing yet, text, or a block (a call, unread text, thoughts)."""
        self._step = step
        self._closed = False
        self._deltas: list[Delta] = []
        self._content: list[str] = []
        self._calls: list[ToolCall] = []
        self._unread: list[str] = []
        self._thinking: list[str] = []

    def feed(self, chunk: str) -> list[Delta]:
        """What the chunk settled: text that cannot be the start of a call any more, and closed calls."""
        if self._closed:
            raise ToolfinchError("the parser was closed; a new turn needs a new one")
        self.pending += chunk
        return self._run(final=False)

    def close(self) -> list[Delta]:
        """The text is over: what was still held back. A second time: nothing."""
        if self._closed:
            return []
        self._closed = True
        return self._run(final=True)

    def finish(self) -> Parsed:
        """The whole turn. Closes the parser, if `close` has not."""
        self.close()
        return Parsed(
            "".join(self._content), tuple(self._calls), tuple(self._unread), "\n".join(self._thinking)
        )

    def _run(self, *, final: bool) -> list[Delta]:
        while self.pending and self._step(self, final):
            pass
        deltas, self._deltas = self._deltas, []
        return deltas

    def take(self, length: int) -> str:
        """Cut the first `length` characters off `pending`."""
        text, self.pending = self.pending[:length], self.pending[length:]
        return text

    def say(self, text: str) -> None:
        if text:
            self._content.append(text)
            self._deltas.append(Delta(text=text))
            self.last = "text"

    def call(self, call: ToolCall) -> None:
        self._calls.append(call)
        self._deltas.append(Delta(call=call))
        self.last = "block"

    def lose(self, text: str) -> None:
        self._unread.append(text)
        self.last = "block"

    def think(self, text: str) -> None:
        if text:
            self._thinking.append(text)
        self.last = "block"

    @property
    def said(self) -> bool:
        """Whether there is content yet."""
        return bool(self._content)


Step = Callable[[Parser, bool], bool]
"""`step(parser, final)`: settle more of `parser.pending`; `final` says that no more text will come."""


@dataclass(frozen=True)
class Dialect:
    """How one model family writes calls."""

    name: str
    trigger: str
    """The text that begins a call; from here on a decoder may constrain what is written."""
    end: str
    """The text that ends a call, or "" where only its own syntax does."""
    stops: tuple[str, ...]
    """Strings at which decoding stops, beside the end-of-turn token."""
    thinks: bool
    """Whether a `<think>` block may begin a turn, and is then read apart from its content."""
    write_call: Callable[[ToolCall], str]
    """One call as text. Raises ValueError or TypeError where it cannot; `render_calls` reads it back."""
    write_turn: Callable[[str, str], str]
    """A turn from its content and its calls' text ("" where there are none)."""
    forced_start: Callable[[str | None], str]
    """What a turn begins with when it has to be a call: of any tool (None), or of the one named.

    It ends where a token does, and with a name everything before the arguments is in it, so that the name
    cannot grow into a longer one. Feed it to the parser before what the model writes."""
    grammar: Callable[[Sequence[Tool], bool], str]
    """Lark rules for llguidance: `call` is a call of one of the tools from behind the trigger to its end, as
    `write_call` writes it, with `end` for the closing mark, which `decode.grammar` defines. The flag says that
    the turn has to be a call: then nothing else that begins with the trigger (an answer of `react`)."""
    step: Step

    def render_calls(self, calls: Sequence[ToolCall], tools: Sequence[Tool]) -> str:
        """The calls as the model writes them, one after the other, arguments in the order of their schemas.

        Raises ToolfinchError for a call that would not read back the same, naming the tool and argument.
        """
        written = []
        for call in ordered(calls, tools):
            try:
                text = self.write_call(call)
                changed = _change(call, self.parse(text, tools))
            except (TypeError, ValueError, RecursionError) as error:
                changed = str(error)
            if changed:
                raise ToolfinchError(
                    f"{self.name} cannot write a call of {call.name!r}: {changed}",
                    hint="another dialect may, or the argument needs a type in the tool's schema",
                )
            written.append(text)
        return "\n".join(written)

    def render_turn(self, message: Message, tools: Sequence[Tool]) -> str:
        """A whole assistant turn, without the end-of-turn token.

        Raises ToolfinchError for a turn that would not read back the same: see `render_calls`; also for
        content with a call's marks in it.
        """
        text = self.write_turn(message.content, self.render_calls(message.calls, tools))
        read = self.parse(text, tools)
        content = message.content
        if self.thinks and content.lstrip().startswith("<think>"):
            content = content.partition("</think>")[2]
        if len(read.calls) != len(message.calls) or read.unread or read.content.strip() != content.strip():
            raise ToolfinchError(f"{self.name} cannot write content that has a call's marks in it")
        return text

    def parse(self, text: str, tools: Sequence[Tool]) -> Parsed:
        """Read a whole turn. Never raises: what cannot be read is in `unread`."""
        parser = self.parser(tools)
        parser.feed(text)
        return parser.finish()

    def parser(self, tools: Sequence[Tool]) -> Parser:
        """A parser for one turn that arrives in chunks."""
        return Parser(self.step, tools)


def ordered(calls: Sequence[ToolCall], tools: Sequence[Tool]) -> list[ToolCall]:
    """The calls with their arguments in the order of their tools' schemas (see `tool.in_schema_order`)."""
    schemas = {tool.name: tool.parameters for tool in tools}
    return [
        msgspec.structs.replace(call, arguments=in_schema_order(call.arguments, schemas.get(call.name)))
        for call in calls
    ]


def _change(call: ToolCall, read: Parsed) -> str:
    """How a call that was read differs from the one that was written; "" if it does not.

    Values are left out, as they may be private and reasons are printed. Raises TypeError or ValueError for
    arguments that are not JSON.
    """
    if len(read.calls) != 1 or read.calls[0].name != call.name:
        return "it would not be read as one"
    got = read.calls[0].arguments
    for key, value in call.arguments.items():
        if canonical(value) != canonical(got.get(key)):
            was, now = type(value).__name__, type(got.get(key)).__name__
            return f"argument {key!r} would be read " + ("changed" if was == now else f"as {now}, not {was}")
    return "" if call.same(read.calls[0]) else "it would be read with other arguments"
