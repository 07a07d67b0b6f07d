"""Replies as the JSON of OpenAI's chat completions."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

import msgspec

from toolfinch.caller import Reply, TokenLogprob, Usage
from toolfinch.dialects import strict_json
from toolfinch.message import Message, ToolCall


def new_id(prefix: str) -> str:
    """`prefix` is `chatcmpl-`, `call_` and the like."""
    return prefix + secrets.token_hex(12)


def call_json(call: ToolCall) -> dict[str, Any]:
    """An entry of `tool_calls`."""
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": strict_json.dumps(call.arguments)},
    }


def message_json(message: Message) -> dict[str, Any]:
    """An assistant's message."""
    if not message.calls:
        return {"role": "assistant", "content": message.content}
    calls = [call_json(call) for call in message.calls]
    return {"role": "assistant", "content": message.content or None, "tool_calls": calls}


def usage_json(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
    }


def total(replies: Sequence[Reply]) -> Usage:
    """Of several choices: one prompt, which the others share, and what all of them wrote."""
    written = sum(reply.usage.completion_tokens for reply in replies)
    return msgspec.structs.replace(replies[0].usage, completion_tokens=written)


def logprobs_json(logprobs: Sequence[TokenLogprob]) -> dict[str, Any] | None:
    """A choice's `logprobs`: of everything that was written, a call's text too. None where there are none."""
    if not logprobs:
        return None
    content = [
        {**_token(one.text, one.logprob), "top_logprobs": [_token(text, value) for text, value in one.top]}
        for one in logprobs
    ]
    return {"content": content, "refusal": None}


def _token(text: str, logprob: float) -> dict[str, Any]:
    # Half of a character has no text; its bytes are not known here.
    known = None if "\ufffd" in text else list(text.encode())
    return {"token": text, "logprob": logprob, "bytes": known}


def extra_json(reply: Reply, warnings: Sequence[str] = ()) -> dict[str, Any]:
    """What OpenAI's shape has no place for: how sure it is, calls that could not be read, what was set aside."""
    extra: dict[str, Any] = {"confidence": reply.confidence, "unread": list(reply.unread)}
    if reply.p_right is not None:
        extra["p_right"] = reply.p_right
    if reply.signals is not None:
        extra["signals"] = reply.signals
    if reply.shown is not None:
        extra["shown"] = reply.shown
        extra["none_fits"] = reply.none_fits
    if reply.verdict is not None:
        extra["verdict"] = reply.verdict
    if reply.made_by:
        extra["made_by"] = reply.made_by
    if warnings:
        extra["warnings"] = list(warnings)
    return extra


def completion_json(
    replies: Sequence[Reply], model: str, created: int, extras: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """A whole `chat.completion` with a choice for each reply.

    `toolfinch` holds the first of `extras`, the replies' `extra_json`; of several choices each has its own, too.
    """
    choices = []
    for index, (reply, extra) in enumerate(zip(replies, extras, strict=True)):
        choice = {
            "index": index,
            "message": {**message_json(reply.message), "refusal": None},
            "logprobs": logprobs_json(reply.logprobs),
            "finish_reason": reply.stop,
        }
        choices.append({**choice, "toolfinch": extra} if len(replies) > 1 else choice)
    return {
        "id": new_id("chatcmpl-"),
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": choices,
        "usage": usage_json(total(replies)),
        "toolfinch": extras[0],
    }
