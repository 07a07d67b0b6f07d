"""`BuildRecipe`: what `toolfinch data build` reads, a table a step.

A step whose table is not there is not taken, but for `curate` and `split`, which have defaults. Keys and other
secrets are never in a recipe: it says where they are.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from toolfinch.data.split import FRACTIONS
from toolfinch.errors import DataError, RecipeError


class Split(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How conversations are divided; what shares a session or a template never stands on two sides."""

    train: float = FRACTIONS["train"]
    validation: float = FRACTIONS["validation"]
    test: float = FRACTIONS["test"]
    seed: int = 0

    @property
    def fractions(self) -> dict[str, float]:
        return {"train": self.train, "validation": self.validation, "test": self.test}


class BuildRecipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From logs to a dataset."""

    logs: tuple[str, ...] = ()
    """Files, or patterns such as `logs/*.jsonl.gz`; those on the command line come instead."""
    tools: str | None = None
    """A file with the tools, where the logs do not bring them; it is also what they are called now."""
    format: str = ""
    """Of all logs; without it each file's is told by its first rows."""
    strict: bool = False
    """Stop at the first row that cannot be read."""
    base: str = "fledgling"
    """The model whose tokens are counted."""
    dialect: str | None = None
    """How it writes calls, if its folder does not say."""
    max_tokens: int = 2048
    """Leave out conversations with a longer training row."""
    split: Split = Split()


def log_files(recipe: BuildRecipe) -> list[Path]:
    """The logs that the recipe names, each once. Raises RecipeError for none, DataError for one that is not there."""
    found: dict[Path, None] = {}
    for name in recipe.logs:
        if not any(sign in name for sign in "*?["):
            if not Path(name).is_file():
                what = "a folder; expected a file" if Path(name).is_dir() else "no such file"
                raise DataError(f"{name}: {what}")
            found[Path(name)] = None
            continue
        pattern = Path(name)
        root = Path(pattern.anchor or ".")
        matched = sorted(root.glob(str(pattern.relative_to(pattern.anchor) if pattern.anchor else pattern)))
        if not matched:
            raise RecipeError(f"logs: {name}: no file is named like that")
        found.update(dict.fromkeys(path for path in matched if path.is_file()))
    if not found:
        raise RecipeError("logs: there are none", hint="name them in the recipe or on the command line")
    return list(found)
