"""`BuildRecipe`: what `toolfinch data build` reads, a table a step.

A step whose table is not there is not taken, but for `curate` and `split`, which have defaults. Keys and other
secrets are never in a recipe: it says where they are.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from toolfinch.data.curate.stages import Curate
from toolfinch.data.split import FRACTIONS, By
from toolfinch.data.teacher.invent import Synthesize
from toolfinch.data.teacher.relabel import Relabel
from toolfinch.data.teacher.teacher import TeacherSpec
from toolfinch.errors import DataError, RecipeError, UsageError

KEY = "TOOLFINCH_KEY"
"""The environment variable with the key of pseudonyms."""
KEY_BYTES = 16
"""A shorter key could be guessed, and pseudonyms undone with it."""


class Anonymize(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How real people, organisations, ids and secrets are replaced."""

    roster: str | None = None
    """A file of those that are known: JSON, JSON lines or CSV (docs/anonymize.md)."""
    key_file: str | None = None
    """A file with the key; without it, the environment variable TOOLFINCH_KEY."""
    allow: str | None = None
    """A file of words, one a line, that a person has looked at and that may stay."""
    shift_dates: bool = False
    """Move dates by a whole number of weeks, another one for each conversation."""
    ner: str | None = None
    """A folder with a model that finds names (transformers, token classification); it may only add."""


class Ask(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which teachers are asked, and for how much."""

    teachers: tuple[TeacherSpec, ...]
    """One, or a committee."""
    budget: float
    """The most to spend, in the currency of the prices; nothing is sent that could pass it."""
    student: str = ""
    """The model that is to be trained, if it is not the recipe's `base`. A teacher that is this model is refused: it
    would teach its own mistakes."""


class Split(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How conversations are divided; what shares a session or a template never stands on two sides."""

    train: float = FRACTIONS["train"]
    validation: float = FRACTIONS["validation"]
    test: float = FRACTIONS["test"]
    seed: int = 0
    by: By = "chance"
    """`time`: the latest are tested on; `tool`: some tools are called on the test side alone."""
    templates: bool = False
    """Whether conversations that are alike but for their values stand on one side, too."""

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
    anonymize: Anonymize | None = None
    curate: Curate = Curate()
    ask: Ask | None = None
    relabel: Relabel | None = None
    synthesize: Synthesize | None = None
    split: Split = Split()


def read_key(anonymize: Anonymize) -> bytes:
    """The key: the text of the file or of the variable. Raises UsageError where there is none or it is too short."""
    if anonymize.key_file is not None:
        where = anonymize.key_file
        if not Path(where).is_file():
            raise UsageError(f"anonymize.key_file: {where}: no such file", hint=_HINT.format(where))
        key = Path(where).read_bytes().strip()
    else:
        where = KEY
        key = os.environ.get(KEY, "").strip().encode()
        if not key:
            raise UsageError(
                f"anonymize: there is no key: neither key_file nor {KEY}", hint=_HINT.format("FILE")
            )
    if len(key) < KEY_BYTES:
        raise UsageError(
            f"{where}: a key of {len(key)} bytes; at least {KEY_BYTES}", hint=_HINT.format("FILE")
        )
    return key


_HINT = "make one, and keep it: openssl rand -hex 32 > {}"


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
