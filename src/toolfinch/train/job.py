"""A fine-tuning job: a recipe, a base and a dataset folder in, trained weights and what was derived out.

The dataset folder is what `toolfinch data` writes: `train.jsonl`, and mostly `validation.jsonl`.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from toolfinch import artifact
from toolfinch import recipe as recipes
from toolfinch.data.dataset import read_dataset
from toolfinch.errors import DataError, ToolfinchError, UsageError
from toolfinch.example import examples
from toolfinch.models import base_folder
from toolfinch.train.render import Rendered, Renderer, read_template, renderer_for
from toolfinch.train.sft import Count, Sft, train_sft

BASE_FILES = (
    "*.safetensors",
    "*.bin",
    "*.jinja",
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "merges.txt",
)
CHECKED = 50
"""The first so many conversations of a dataset are shown to the chat template to see what it makes of calls."""


class TrainRecipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `toolfinch train` reads."""

    data: str
    """Folder with train.jsonl and, to be told the validation loss, validation.jsonl."""
    base: str = "fledgling"
    """A model that ships with the package, or a transformers folder."""
    hub: str | None = None
    """The base's name on the Hugging Face hub, for the command that gets it; nothing is downloaded here."""
    dialect: str | None = None
    """How the base writes calls; needed only where its folder does not say."""
    template: str | None = None
    """A chat template in place of the base's own: a Jinja file, or `react` for a base that has none."""
    max_tokens: Count = 2048
    """Rows longer than this are left out, and counted."""
    limit: Count | None = None
    """Train on at most this many conversations, the first ones of the file."""
    sft: Sft = Sft()


class TrainReport(msgspec.Struct, frozen=True):
    """What a job derived and reached."""

    conversations: int
    decisions: int
    rows: int
    tokens: int
    supervised_tokens: int
    dropped: dict[str, int]
    losses: dict[str, float]


def claim(recipe: TrainRecipe, out: Path) -> None:
    """Note in `out/inputs.json` what this run is made from: the recipe, and hashes of base and data.

    Raises UsageError where `out` holds a run that was made from something else: its checkpoints, adapter and
    model are no part of this one.
    """
    if recipe.hub and not (Path(recipe.base) / "config.json").is_file():
        hint = f"hf download {recipe.hub} --local-dir {recipe.base}"
        raise UsageError(f"{recipe.base}: the base model is not there", hint=hint)
    base, data = base_folder(recipe.base), Path(recipe.data) / "train.jsonl"
    if not data.is_file():
        raise DataError(f"{data}: no such file", hint="make the folder with `toolfinch data`")
    parts = [path for name in BASE_FILES for path in base.glob(name)]
    inputs: dict[str, Any] = {
        **msgspec.to_builtins(recipe),
        "template": recipe.template and hashlib.sha256(read_template(recipe.template).encode()).hexdigest(),
        "base": {path.name: artifact.sha256(path) for path in sorted(parts)},
        "data": artifact.sha256(data),
    }
    path = out / "inputs.json"
    started = [name for name in ("checkpoints", "adapter", "model") if (out / name).exists()]
    if started:
        before = msgspec.json.decode(path.read_bytes()) if path.is_file() else {}
        if changed := recipes.difference(before, inputs):
            raise UsageError(
                f"{out}: holds another run: {changed}", hint="give another --out, or remove that folder"
            )
    out.mkdir(parents=True, exist_ok=True)
    artifact.write_atomically(path, msgspec.json.format(msgspec.json.encode(inputs), indent=2) + b"\n")


def load_rows(
    path: Path, renderer: Renderer, max_tokens: int, limit: int | None
) -> tuple[list[Rendered], Counter[str], int, int]:
    """Rows of one dataset file: (rows, reasons of what was dropped, conversations, decisions in the rows)."""
    kept: list[Rendered] = []
    dropped: Counter[str] = Counter()
    conversations = decisions = 0
    for conversation in read_dataset(path):
        if limit is not None and conversations == limit:
            break
        conversations += 1
        try:
            rows = renderer.rows(examples(conversation))
        except ToolfinchError as error:
            raise DataError(f"{path}: {conversation.id}: {error}", hint=error.hint) from error
        for row in rows:
            if len(row.ids) > max_tokens:
                dropped[f"longer than {max_tokens} tokens"] += 1
            else:
                kept.append(row)
                decisions += len(row.example_ids)
    return kept, dropped, conversations, decisions


def dialect_of(recipe: TrainRecipe) -> str:
    """The recipe's dialect, or the one that the base's folder names."""
    return recipe.dialect or artifact.find(base_folder(recipe.base)).dialect


def check_base(recipe: TrainRecipe, renderer: Renderer) -> None:
    """Raise UsageError where the base cannot read what the recipe trains it on: too long, or told wrongly."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(base_folder(recipe.base), local_files_only=True).get_text_config()
    if recipe.max_tokens > config.max_position_embeddings:
        raise UsageError(
            f"max_tokens is {recipe.max_tokens}: {recipe.base} reads {config.max_position_embeddings} at most"
        )
    path = Path(recipe.data) / "train.jsonl"
    for conversation in itertools.islice(read_dataset(path), CHECKED):
        try:
            renderer.check_history(conversation.messages, conversation.tools)
        except ToolfinchError as error:
            raise UsageError(f"{path}: {conversation.id}: {error}", hint=error.hint) from error


def train_job(recipe: TrainRecipe, out: Path, say: Callable[[str], None]) -> TrainReport:
    """Run the job; writes `out/adapter` or `out/full`, and `out/train_report.json`."""
    base = base_folder(recipe.base)
    renderer = renderer_for(str(base), dialect_of(recipe), recipe.template or "")
    check_base(recipe, renderer)
    data = Path(recipe.data)
    train, dropped, conversations, decisions = load_rows(
        data / "train.jsonl", renderer, recipe.max_tokens, recipe.limit
    )
    for reason, count in dropped.items():
        say(f"left out {count} rows: {reason}")
    if not train:
        raise DataError(f"{data / 'train.jsonl'}: no row to train on is left")
    validation: list[Rendered] = []
    if (data / "validation.jsonl").is_file():  # a small log may have none to spare
        validation, *_ = load_rows(data / "validation.jsonl", renderer, recipe.max_tokens, 200)
    supervised = sum(sum(row.mask) for row in train)
    tokens = sum(len(row.ids) for row in train)
    say(
        f"{conversations} conversations, {decisions} decisions in {len(train)} rows; "
        f"{tokens} tokens, {supervised / tokens:.0%} of them supervised"
    )
    losses = train_sft(base, renderer.tokenizer, train, validation, recipe.sft, out, say)
    report = TrainReport(conversations, decisions, len(train), tokens, supervised, dict(dropped), losses)
    partial = out / "train_report.json.partial"
    partial.write_text(json.dumps(msgspec.to_builtins(report), indent=2) + "\n", encoding="utf-8")
    partial.replace(out / "train_report.json")
    return report
