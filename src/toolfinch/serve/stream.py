"""Streamed chat completions: the server-sent events that report replies as they are made."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from toolfinch.caller import Delta, Reply, Usage
from toolfinch.serve.answer import call_json, logprobs_json, new_id, usage_json

DONE = b"data: [DONE]\n\n"


class Chunks:
    """The events of one streamed completion, in the shape that OpenAI's clients add up again."""

    def __init__(self, model: str, *, choices: int, include_usage: bool) -> None:
        self._head = {
            "id": new_id("chatcmpl-"),
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": model,
        }
        self._usage = {"usage": None} if include_usage else {}
        self._calls = [0] * choices

    def start(self) -> bytes:
        role = {"role": "assistant", "content": "", "refusal": None}
        return b"".join(self._choice(index, role) for index in range(len(self._calls)))

    def delta(self, index: int, delta: Delta) -> bytes:
        """A piece of the choice at `index`."""
        if delta.call is None:
            return self._choice(index, {"content": delta.text})
        entry = {"index": self._calls[index], **call_json(delta.call)}
        self._calls[index] += 1
        return self._choice(index, {"tool_calls": [entry]})

    def end(self, index: int, reply: Reply, extra: dict[str, Any]) -> bytes:
        """The end of the choice at `index`, with its `extra_json`. Its log-probabilities come here, all at once."""
        logprobs = logprobs_json(reply.logprobs)
        return self._choice(index, {}, finish_reason=reply.stop, logprobs=logprobs, toolfinch=extra)

    def usage(self, usage: Usage) -> bytes:
        """The last chunk, where it was asked for; `usage` is that of all choices together."""
        return event({**self._head, "choices": [], "usage": usage_json(usage)}) if self._usage else b""

    def _choice(
        self,
        index: int,
        delta: dict[str, Any],
        finish_reason: str | None = None,
        logprobs: dict[str, Any] | None = None,
        **extra: Any,
    ) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}
        return event({**self._head, "choices": [choice], **self._usage, **extra})


def event(data: dict[str, Any]) -> bytes:
    """One server-sent event."""
    return b"data: " + msgspec.json.encode(data) + b"\n\n"
