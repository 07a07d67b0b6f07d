"""A fine-tuning job: a recipe, a base and a dataset folder in, an adapter and what was derived out.

The dataset folder is what `toolfinch data` writes: `train.jsonl`, and mostly `validation.jsonl`.
"""

from __future__ import annotations

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
from toolfinch.train.render import Rendered, Renderer, renderer_for
from toolfinch.train.sft import Count, Sft, train_lora


class TrainRecipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `toolfinch train` reads."""

    data: str
    """Folder with train.jsonl and, to be told the validation loss, validation.jsonl."""
    base: str = "fledgling"
    """A model that ships with the package, or a transformers folder."""
    dialect: str | None = None
    """How the base writes calls; needed only where its folder does not say."""
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
    base, data = base_folder(recipe.base), Path(recipe.data) / "train.jsonl"
    if not data.is_file():
        raise DataError(f"{data}: no such file", hint="make the folder with `toolfinch data`")
    parts = [*base.glob("*.safetensors"), *base.glob("*.jinja"), *base.glob("tokenizer.json")]
    inputs: dict[str, Any] = {
        **msgspec.to_builtins(recipe),
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


def train_job(recipe: TrainRecipe, out: Path, say: Callable[[str], None]) -> TrainReport:
    """Run the job; writes `out/adapter` and `out/train_report.json`."""
    base = base_folder(recipe.base)
    renderer = renderer_for(str(base), artifact.find(base, dialect=recipe.dialect or "").dialect)
    data = Path(recipe.data)
    train, dropped, conversations, decisions = load_rows(
        data / "train.jsonl", renderer, recipe.max_tokens, recipe.limit
    )
    validation: list[Rendered] = []
    if (data / "validation.jsonl").is_file():  # a small log may have none to spare
        validation, *_ = load_rows(data / "validation.jsonl", renderer, recipe.max_tokens, 200)
    for reason, count in dropped.items():
        say(f"left out {count} rows: {reason}")
    supervised = sum(sum(row.mask) for row in train)
    tokens = sum(len(row.ids) for row in train)
    say(
        f"{conversations} conversations, {decisions} decisions in {len(train)} rows; "
        f"{tokens} tokens, {supervised / max(tokens, 1):.0%} of them supervised"
    )
    losses = train_lora(base, train, validation, recipe.sft, out, say)
    report = TrainReport(conversations, decisions, len(train), tokens, supervised, dict(dropped), losses)
    partial = out / "train_report.json.partial"
    partial.write_text(json.dumps(msgspec.to_builtins(report), indent=2) + "\n", encoding="utf-8")
    partial.replace(out / "train_report.json")
    return report
