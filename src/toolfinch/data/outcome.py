"""Whether a tool's result says that the tool failed, or that it found nothing.

Left out: partial results, failures told in prose beyond the first words, and languages other than English there.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from toolfinch.message import ToolResult

Outcome = Literal["ok", "failed", "empty"]

_LONGEST = 10_000
"""Characters; a longer JSON text is not empty, and seldom an error."""


def outcome(result: ToolResult) -> Outcome:
    """What came of a call: `failed` where the log says so or the text does, `empty` for no text or JSON with
    nothing in it."""
    text = result.content.strip()
    value: Any = text
    if text[:1] in ("{", "[") and len(text) < _LONGEST:
        try:
            value = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError):
            value = text
    if result.is_error or _says_failed(value):
        return "failed"
    if text in ("", "null", "None", '""') or (value is not text and _is_empty(value)):
        return "empty"
    return "ok"


def _says_failed(value: Any) -> bool:
    if isinstance(value, str):
        return value[:40].lower().startswith(("error", "traceback (most recent", "exception"))
    if not isinstance(value, dict):
        return False
    return (
        bool(value.get("error") or value.get("errors"))
        or value.get("isError") is True
        or value.get("success") is False
        or value.get("ok") is False
        or value.get("status") in ("error", "failed", "failure")
    )


def _is_empty(value: Any) -> bool:
    """A list or object without anything: `{"count": 0, "items": []}` as well as `[]`, but not `{"count": 0}`."""
    if not isinstance(value, dict):
        return bool(value == [])
    held = [part for key, part in value.items() if key not in ("ok", "success", "status", "error", "errors")]
    nothing = [part in (None, "", [], {}) for part in held]
    return not value or (any(nothing) and all(map(_adds_nothing, held)))


def _adds_nothing(part: Any) -> bool:
    return part in (None, "", [], {}, 0)
