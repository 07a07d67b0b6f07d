"""Responses: the events of one as it is made, in OpenAI's order, and the whole of it, which is what they add up to.

`Events` is both: a reply that is not streamed goes through the same steps, so the two cannot differ. Each item is
closed before the next begins; a call's arguments come in one piece, since a call is known once it is whole.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import msgspec

from toolfinch.caller import Delta, Reply, TokenLogprob
from toolfinch.dialects import strict_json
from toolfinch.message import ToolCall
from toolfinch.serve.answer import new_id

Event = dict[str, Any]


class Events:
    """One response. Each method gives the events of what has happened, in order, numbered from 0."""

    def __init__(self, model: str, echo: dict[str, Any]) -> None:
        self.response: dict[str, Any] = {
            "id": new_id("resp_"),
            "object": "response",
            "created_at": int(time.time()),
            "status": "in_progress",
            "error": None,
            "incomplete_details": None,
            "model": model,
            "output": [],
            "usage": None,
            **echo,
        }
        """The response as it stands."""
        self._message: dict[str, Any] | None = None  # the item whose text is being written
        self._text: list[str] = []
        self._number = 0

    def start(self) -> list[Event]:
        return [self._whole("response.created"), self._whole("response.in_progress")]

    def delta(self, delta: Delta) -> list[Event]:
        if delta.call is not None:
            return self._close_message("completed") + self._call(delta.call)
        events = [] if self._message is not None else self._open_message()
        self._text.append(delta.text)
        return [*events, self._in_message("response.output_text.delta", delta=delta.text, logprobs=[])]

    def end(self, reply: Reply, extra: dict[str, Any]) -> list[Event]:
        """The last events, `extra_json` with them; `response` is whole then."""
        status = "incomplete" if reply.stop == "length" else "completed"
        events = [] if self.response["output"] else self._open_message()
        events += self._close_message(status, reply.logprobs)
        usage = reply.usage
        self.response["status"] = status
        if status == "incomplete":
            self.response["incomplete_details"] = {"reason": "max_output_tokens"}
        self.response["usage"] = {
            "input_tokens": usage.prompt_tokens,
            "input_tokens_details": {"cached_tokens": usage.cached_tokens, "cache_write_tokens": 0},
            "output_tokens": usage.completion_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        }
        self.response["toolfinch"] = extra
        return [*events, self._whole(f"response.{status}")]

    def failed(self, message: str) -> list[Event]:
        """A stream that has begun can only say so in an event."""
        self.response["status"] = "failed"
        self.response["error"] = {"code": "server_error", "message": message}
        return [self._whole("response.failed")]

    def _call(self, call: ToolCall) -> list[Event]:
        arguments = strict_json.dumps(call.arguments)
        item = {
            "type": "function_call",
            "id": new_id("fc_"),
            "call_id": call.id,
            "name": call.name,
            "arguments": "",
            "status": "in_progress",
        }
        place = len(self.response["output"])
        at = {"item_id": item["id"], "output_index": place}
        done = {**item, "arguments": arguments, "status": "completed"}
        self.response["output"].append(done)
        return [
            self._event("response.output_item.added", output_index=place, item=item),
            self._event("response.function_call_arguments.delta", **at, delta=arguments),
            self._event("response.function_call_arguments.done", **at, name=call.name, arguments=arguments),
            self._event("response.output_item.done", output_index=place, item=done),
        ]

    def _open_message(self) -> list[Event]:
        item = {
            "type": "message",
            "id": new_id("msg_"),
            "role": "assistant",
            "status": "in_progress",
            "content": [],
        }
        self._message, self._text = item, []
        self.response["output"].append(item)
        place = len(self.response["output"]) - 1
        return [
            self._event("response.output_item.added", output_index=place, item=dict(item)),
            self._in_message("response.content_part.added", part=_part("", ())),
        ]

    def _close_message(self, status: str, logprobs: Sequence[TokenLogprob] = ()) -> list[Event]:
        if self._message is None:
            return []
        part = _part("".join(self._text), logprobs)
        events = [
            self._in_message("response.output_text.done", text=part["text"], logprobs=part["logprobs"]),
            self._in_message("response.content_part.done", part=part),
        ]
        place = len(self.response["output"]) - 1
        done = {**self._message, "status": status, "content": [part]}
        self.response["output"][place] = done
        self._message = None
        return [*events, self._event("response.output_item.done", output_index=place, item=done)]

    def _in_message(self, kind: str, **rest: Any) -> Event:
        assert self._message is not None
        place = len(self.response["output"]) - 1
        return self._event(kind, item_id=self._message["id"], output_index=place, content_index=0, **rest)

    def _whole(self, kind: str) -> Event:
        return self._event(kind, response=dict(self.response))

    def _event(self, kind: str, **rest: Any) -> Event:
        self._number += 1
        return {"type": kind, "sequence_number": self._number - 1, **rest}


def _part(text: str, logprobs: Sequence[TokenLogprob]) -> dict[str, Any]:
    written = [
        {
            **_token(one.text, one.logprob),
            "top_logprobs": [_token(text, value) for text, value in one.top],
        }
        for one in logprobs
    ]
    return {"type": "output_text", "annotations": [], "text": text, "logprobs": written}


def _token(text: str, logprob: float) -> dict[str, Any]:
    # Half of a character has no text; its bytes are not known here.
    return {"token": text, "logprob": logprob, "bytes": [] if "\ufffd" in text else list(text.encode())}


def encoded(events: Sequence[Event]) -> bytes:
    """As server-sent events."""
    return b"".join(
        b"event: %b\ndata: %b\n\n" % (event["type"].encode(), msgspec.json.encode(event)) for event in events
    )
