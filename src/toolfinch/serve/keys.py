"""`Keys`: who may use the server. Without any, whoever reaches its address may."""

from __future__ import annotations

import hashlib
import hmac
import os
from pathlib import Path

from toolfinch.errors import UsageError

ENVIRONMENT = "TOOLFINCH_API_KEYS"
OPEN = ("/", "/healthz", "/readyz")
"""Paths that need no key: a browser and a supervisor send none, and there is nothing of anybody's there."""


class Keys:
    """The keys that are let in, as hashes."""

    def __init__(self, keys: list[str]) -> None:
        self._hashes = [_hash(key.encode()) for key in keys]

    def __bool__(self) -> bool:
        return bool(self._hashes)

    def admit(self, path: str, authorization: bytes) -> bool:
        """Whether a request to `path` with this `Authorization` header may go on.

        All keys are compared, each in constant time, so nothing can be learned from how long a refusal takes.
        """
        if not self._hashes or path in OPEN:
            return True
        scheme, _, key = authorization.partition(b" ")
        hashed, known = _hash(key.strip()), False
        for one in self._hashes:
            known |= hmac.compare_digest(one, hashed)
        return known and scheme.lower() == b"bearer"


def read(path: Path | None) -> Keys:
    """Those of a file, one a line, `#` for comments; else of the environment variable, with commas between.

    Raises UsageError for a file that cannot be read, and for one without a key in it, which would let everybody in.
    """
    if path is None:
        keys = [key.strip() for key in os.environ.get(ENVIRONMENT, "").split(",")]
        if ENVIRONMENT in os.environ and not any(keys):
            raise UsageError(f"{ENVIRONMENT}: is set and has no key")
        return Keys([key for key in keys if key])
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise UsageError(f"--api-key-file {path}: cannot be read ({why})") from error
    keys = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not keys:
        raise UsageError(f"--api-key-file {path}: has no key")
    return Keys(keys)


def _hash(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
