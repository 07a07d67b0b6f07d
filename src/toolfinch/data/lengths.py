"""How long a conversation is for the model that will be trained: the tokens of its longest training row."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from toolfinch.example import Conversation, examples

if TYPE_CHECKING:
    from toolfinch.train.render import Renderer


@dataclass(frozen=True)
class Longest:
    """Counts; small enough to be sent to another process, which loads the tokenizer itself."""

    base: str
    dialect: str = ""

    def __call__(self, conversation: Conversation) -> int:
        """Raises what the base's template and dialect raise for a conversation that they cannot write."""
        rows = _renderer(self.base, self.dialect).rows(examples(conversation))
        return max((len(row.ids) for row in rows), default=0)


@functools.lru_cache(maxsize=2)
def _renderer(base: str, dialect: str) -> Renderer:
    from toolfinch import artifact
    from toolfinch.models import base_folder
    from toolfinch.train.render import renderer_for

    folder = base_folder(base)
    return renderer_for(str(folder), artifact.find(folder, dialect=dialect).dialect)


def check(base: str, dialect: str = "") -> None:
    """Raises UsageError where there is no such base, or none that can be read."""
    _renderer(base, dialect)
