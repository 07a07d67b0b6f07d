"""Tells whether a model that would teach is the one that is to learn.

Labels that a student makes for itself teach it its own mistakes with more confidence. Models are compared by name,
for an endpoint shows nothing else: `Qwen/Qwen3-0.6B`, `qwen3:0.6b` and `models/Qwen3-0.6B.gguf` are one model.
"""

from __future__ import annotations

import re
from pathlib import Path

from toolfinch import artifact


def names(student: str) -> frozenset[str]:
    """What a student can be called: its own name and, where it is an artifact's folder, that one's and its base's."""
    found = {student}
    if (Path(student) / artifact.MANIFEST).is_file():
        made = artifact.load(Path(student))
        found |= {made.name, made.origin.base}
    return frozenset(map(plain, found)) - {""}


def plain(name: str) -> str:
    """A model's name without its maker or folder, its file's ending, its case and its tag's sign."""
    last = re.split(r"[/\\]", name.strip().rstrip("/\\"))[-1].casefold()
    return re.sub(r"[:_\s]", "-", last.removesuffix(".gguf").removesuffix(":latest"))
