"""The server's log: what failed, in which request, and where in the code; never what anybody said."""

from __future__ import annotations

import logging
import traceback
from contextvars import ContextVar

from toolfinch.errors import ToolfinchError

request_id: ContextVar[str] = ContextVar("request_id", default="")

_log = logging.getLogger("toolfinch.serve")


def failure(error: Exception) -> None:
    """Log an error that is not the client's. Our own say what is wrong; what another says may quote a prompt."""
    what = str(error) if isinstance(error, ToolfinchError) else _where(error)
    _log.error("request %s: %s", request_id.get(), what)


def _where(error: Exception) -> str:
    frames = reversed(traceback.extract_tb(error.__traceback__))
    return f"{type(error).__name__} at " + " < ".join(f"{one.filename}:{one.lineno}" for one in frames)
