"""One reply from an engine that does nothing else: what `decode.batch` gives has to be the same.

Whoever stops iterating stops the work before the next token.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from toolfinch.caller import Decoding, Delta, Reply
from toolfinch.decode.engine import Engine, Part
from toolfinch.decode.writer import Writer
from toolfinch.dialects import Dialect
from toolfinch.tool import Tool


def generate(
    engine: Engine, dialect: Dialect, prompt: Sequence[int], tools: Sequence[Tool], decoding: Decoding
) -> Iterator[Delta | Reply]:
    """Deltas as the engine makes them, then the whole `Reply`. Raises what `Writer` raises.

    A reply that reaches `max_tokens` or the end of the context stops with `length`.
    """
    writer = Writer(engine, dialect, prompt, tools, decoding)
    engine.cut(0, 0)
    yield from writer.begin()
    while not writer.done:
        (logits,) = engine.forward([Part(0, writer.wanted)])
        assert logits is not None
        yield from writer.advance(logits)
    yield from writer.finish()
    yield writer.reply()
