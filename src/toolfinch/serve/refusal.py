"""What the server refuses and why: errors with a status, and the JSON in which OpenAI's clients read them.

A message begins with the path of the field that it is about, so the path is OpenAI's `param`. Counts, where a limit
was passed, stand in the message for people and in `counts` for programs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from toolfinch.decode.engine import ContextError
from toolfinch.errors import EndpointGone, ToolfinchError, UsageError

TOO_LONG = "context_length_exceeded"


class RequestError(UsageError):
    """The client's mistake, as OpenAI reports it; `param` is the path that the message begins with."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        code: str | None = None,
        counts: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__(message)
        path, colon, _ = message.partition(": ")
        self.param = path if colon and " " not in path else None
        self.status = status
        self.code = code
        self.counts = counts


class Busy(ToolfinchError):
    """Too many wait already, or the server is about to stop: 429 or 503, with when to come back."""

    def __init__(self, message: str, *, status: int, retry_after_s: int, code: str) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s
        self.code = code


class TimeLimit(ToolfinchError):
    """A request took longer than a request may take: 504."""


class UpstreamError(ToolfinchError):
    """The endpoint that the server passes requests on to gave no reply: 502; its address is for the log alone."""

    def __init__(self, message: str, outside: str) -> None:
        super().__init__(message)
        self.outside = outside


class Refusal:
    """An error as it is answered: its `status`, its `body` in OpenAI's shape, and `headers`."""

    def __init__(self, error: Exception) -> None:
        from starlette.exceptions import HTTPException

        self.status = 500
        self.headers: dict[str, str] = {}
        match error:
            case HTTPException():  # no such path, no such method
                self.status = error.status_code
                self.headers = dict(error.headers or {})
                self.body = error_json(error.detail, "invalid_request_error")
            case ContextError():
                counts = {"prompt_tokens": error.prompt_tokens, "context": error.context}
                self.status = 413
                self.body = error_json(
                    f"messages: {error}", "invalid_request_error", "messages", TOO_LONG, counts
                )
            case RequestError():
                self.status = error.status
                self.body = error_json(
                    str(error), "invalid_request_error", error.param, error.code, error.counts
                )
            case UsageError():
                self.status = 400
                param = RequestError(str(error)).param
                self.body = error_json(str(error), "invalid_request_error", param)
            case Busy():
                self.status = error.status
                self.headers = {"Retry-After": str(error.retry_after_s)}
                kind = "rate_limit_error" if error.status == 429 else "server_error"
                self.body = error_json(str(error), kind, code=error.code)
            case TimeLimit():
                self.status = 504
                self.body = error_json(str(error), "server_error", code="timeout")
            case UpstreamError() | EndpointGone():  # the next request asks again
                self.status = 502
                gone = "the endpoint behind this server has not answered for many requests"
                said = error.outside if isinstance(error, UpstreamError) else gone
                self.body = error_json(said, "upstream_error")
            case ToolfinchError():
                self.body = error_json(str(error), "server_error")
            case _:  # what it says may hold somebody's words
                self.body = error_json("internal error; the server's log has it", "server_error")


def error_json(
    message: str,
    kind: str,
    param: str | None = None,
    code: str | None = None,
    counts: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """OpenAI's error shape."""
    error = {"message": message, "type": kind, "param": param, "code": code}
    return {"error": {**error, "counts": counts} if counts else error}
