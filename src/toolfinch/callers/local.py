"""`LocalCaller`: an engine on this machine, its chat template and its dialect, as a `ToolCaller`.

One lock around the engine: a second request waits until the first is done, since an engine holds one
conversation's cache. Thinking is off: what is served is what these models are trained and measured on.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

from toolfinch.caller import Decoding, Delta, Reply
from toolfinch.decode.engine import Engine
from toolfinch.decode.loop import generate
from toolfinch.dialects import Dialect
from toolfinch.dialects.chat_template import render
from toolfinch.errors import PromptError, ToolfinchError, UsageError
from toolfinch.message import Message
from toolfinch.tool import Tool


class LocalCaller:
    """Implements `ToolCaller` and `StreamingCaller`; safe to share between threads."""

    def __init__(self, engine: Engine, dialect: Dialect, template: str, name: str) -> None:
        if not template:
            raise UsageError(f"{name}: the model has no chat template", hint="export it again with one")
        self.engine = engine
        self.dialect = dialect
        self.template = template
        self._name = name
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        return self._name

    def prompt(self, messages: Sequence[Message], tools: Sequence[Tool]) -> str:
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
                enable_thinking=False,
            )
        except ToolfinchError as error:
            raise PromptError(f"messages: {self.name} cannot be given them: {error}") from error

    def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], decoding: Decoding = Decoding()
    ) -> Iterator[Delta | Reply]:
        """Deltas, then the whole `Reply`; closing the iterator stops the work before the next token."""
        text = self.prompt(messages, tools)
        with self._lock:
            yield from generate(self.engine, self.dialect, self.engine.encode(text), tools, decoding)

    def reply(
        self, messages: Sequence[Message], tools: Sequence[Tool], decoding: Decoding = Decoding()
    ) -> Reply:
        """The last item of `stream`."""
        *_, last = self.stream(messages, tools, decoding)
        assert isinstance(last, Reply)
        return last
