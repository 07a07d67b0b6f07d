"""Prefix states on disk, so that the first request after a restart need not read its tools again.

A state is good for one model, one engine and one list of tokens; all three are in its file's name, and a hash of what is in it
stands before it. A file that is damaged, or that the engine does not take, counts as none. The folder is bounded: what was used
least recently goes first.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from toolfinch.errors import UsageError

_log = logging.getLogger("toolfinch.decode")

_SUFFIX = ".prefix"


class Store:
    """A folder of states. One process at a time writes it; several do no harm, as files are renamed into place."""

    def __init__(self, folder: Path, identity: str, max_bytes: int) -> None:
        """`identity`: of the model and the engine, such that states of two with the same one fit each other.

        Raises UsageError for a folder that cannot be made.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # a state can be turned back into its text
        except OSError as error:
            raise UsageError(f"{folder}: cannot be made: {error.strerror}") from error
        self._folder = folder
        self._identity = identity
        self._max_bytes = max_bytes

    def has(self, ids: Sequence[int]) -> bool:
        return self._path(ids).is_file()

    def load(self, ids: Sequence[int]) -> bytes | None:
        path = self._path(ids)
        try:
            raw = path.read_bytes()
        except OSError:
            return None
        state = raw[32:]
        if hashlib.sha256(state).digest() != raw[:32]:
            _log.warning("%s: damaged; the prefix is read again", path)
            path.unlink(missing_ok=True)
            return None
        with contextlib.suppress(OSError):  # another process may have made room
            os.utime(path)
        return state

    def save(self, ids: Sequence[int], state: bytes) -> None:
        """A state that cannot be written is not kept, and the log says why: the reply does not depend on it."""
        if len(state) + 32 > self._max_bytes:
            return
        name = ""
        try:
            with tempfile.NamedTemporaryFile(dir=self._folder, delete=False) as file:
                name = file.name
                file.write(hashlib.sha256(state).digest())
                file.write(state)
            Path(name).replace(self._path(ids))
            self._bound()
        except OSError as error:
            _log.warning("%s: a prefix was not kept: %s", self._folder, error.strerror)
            if name:
                Path(name).unlink(missing_ok=True)

    def _bound(self) -> None:
        files = sorted(
            (
                (path.stat().st_mtime_ns, path.stat().st_size, path)
                for path in self._folder.glob(f"*{_SUFFIX}")
            ),
            reverse=True,
        )
        total = 0
        for _, size, path in files:
            total += size
            if total > self._max_bytes:
                path.unlink(missing_ok=True)

    def _path(self, ids: Sequence[int]) -> Path:
        digest = hashlib.sha256(self._identity.encode() + b"\0" + np.asarray(ids, np.int64).tobytes())
        return self._folder / (digest.hexdigest() + _SUFFIX)
