"""`LocalCaller`: an engine on this machine, its chat template and its dialect, as a `ToolCaller`.

Requests that are made at the same time share the engine's passes (`decode.batch`). The beginning that a prompt shares with
others of the same tools and system message is found out by rendering those alone, so that its state can be kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import msgspec

from toolfinch.caller import Decoding, Delta, Reply
from toolfinch.decode import calibration
from toolfinch.decode.batch import Batcher
from toolfinch.decode.calibration import Calibration
from toolfinch.decode.copied import copied
from toolfinch.decode.engine import Engine, common_prefix
from toolfinch.decode.prefix_store import Store
from toolfinch.decode.writer import Writer
from toolfinch.dialects import Dialect
from toolfinch.dialects.chat_template import render
from toolfinch.errors import PromptError, ToolfinchError, UsageError
from toolfinch.message import Message, user
from toolfinch.tool import Tool

_NOBODYS_WORDS = "\x07"
"""What no user begins with."""


class LocalCaller:
    """Implements `ToolCaller` and `StreamingCaller`; safe to share between threads."""

    def __init__(
        self,
        engine: Engine,
        dialect: Dialect,
        template: str,
        name: str,
        *,
        live: int = 1,
        store: Store | None = None,
        calibrated: Calibration | None = None,
    ) -> None:
        """`live`: how many replies are made at once; `calibrated`: what says how likely a reply is to be right."""
        if not template:
            raise UsageError(f"{name}: the model has no chat template", hint="export it again with one")
        self.engine = engine
        self.dialect = dialect
        self.template = template
        self.live = min(live, engine.slots)
        self.calibrated = calibrated
        self._name = name
        self._batcher = Batcher(engine, live=live, store=store)
        self._head_ids = lru_cache(maxsize=32)(self._read_head)

    @property
    def name(self) -> str:
        return self._name

    def prompt(self, messages: Sequence[Message], tools: Sequence[Tool], *, think: bool = False) -> str:
        """The text that the model is given, up to where its turn begins.

        Raises PromptError where the model's chat template refuses the messages.
        """
        try:
            return render(
                self.template,
                messages,
                tools,
                add_generation_prompt=True,
                bos_token=self.engine.bos_token,
                eos_token=self.engine.eos_token,
                enable_thinking=think,
            )
        except ToolfinchError as error:
            raise PromptError(f"messages: {self.name} cannot be given them: {error}") from error

    def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], decoding: Decoding = Decoding()
    ) -> Iterator[Delta | Reply]:
        """Deltas, then the whole `Reply`; closing the iterator stops the work before the next token."""
        ids = self.engine.encode(self.prompt(messages, tools, think=decoding.think))
        writer = Writer(self.engine, self.dialect, ids, tools, decoding)
        for item in self._batcher.stream(writer, self._head(messages, tools, ids)):
            yield self._judged(item, messages) if isinstance(item, Reply) else item

    def reply(
        self, messages: Sequence[Message], tools: Sequence[Tool], decoding: Decoding = Decoding()
    ) -> Reply:
        """The last item of `stream`."""
        *_, last = self.stream(messages, tools, decoding)
        assert isinstance(last, Reply)
        return last

    def _judged(self, reply: Reply, messages: Sequence[Message]) -> Reply:
        """The reply with what only the whole conversation says of it."""
        if (signals := reply.signals) is None:
            return reply
        signals = msgspec.structs.replace(signals, copied=copied(reply.message.calls, messages))
        p_right = None if self.calibrated is None else calibration.p_right(self.calibrated, signals)
        return msgspec.structs.replace(reply, signals=signals, p_right=p_right)

    def _head(self, messages: Sequence[Message], tools: Sequence[Tool], ids: Sequence[int]) -> int:
        """How many tokens of the prompt come of its tools and the system messages that it begins with."""
        first = next((i for i, one in enumerate(messages) if one.role != "system"), len(messages))
        if first == len(messages):
            return 0
        key = msgspec.json.encode((messages[:first], tuple(tools)))
        return common_prefix(self._head_ids(key), ids)

    def _read_head(self, key: bytes) -> tuple[int, ...]:
        system, tools = msgspec.json.decode(key, type=tuple[tuple[Message, ...], tuple[Tool, ...]])
        try:
            text = self.prompt([*system, user(_NOBODYS_WORDS)], tools)
        except PromptError:  # a template that wants something else first: nothing is shared
            return ()
        return tuple(self.engine.encode(text))
