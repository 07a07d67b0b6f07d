"""A fine-tuning job: a recipe, a base and a dataset folder in, an adapter and what was derived out.

The dataset folder is what `toolfinch data` writes: `train.jsonl` and `validation.jsonl`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec

from toolfinch import artifact, models
from toolfinch.data.dataset import read_dataset
from toolfinch.errors import UsageError
from toolfinch.example import examples
from toolfinch.train.render import Rendered, Renderer, renderer_for
from toolfinch.train.sft import Sft, train_lora


class TrainRecipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `toolfinch train` reads."""

    data: str
    """Folder with train.jsonl and validation.jsonl."""
    base: str = "fledgling"
    """A model that ships with the package, or a transformers folder."""
    dialect: str | None = None
    """How the base writes calls; needed only where its folder does not say."""
    max_tokens: int = 2048
    """Rows longer than this are left out, and counted."""
    limit: int | None = None
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


def base_folder(base: str) -> Path:
    """The folder of a base by name or path; raises UsageError saying how to get it."""
    if base in models.packaged():
        return models.HERE / base
    folder = Path(base)
    if (folder / "config.json").is_file():
        return folder
    raise UsageError(
        f"base {base!r}: no model of that name ships with the package, and no folder holds its config.json",
        hint=f"packaged: {', '.join(models.packaged()) or 'none'}; from the hub: hf download {base} "
        f"--local-dir {Path(base).name}, then base = {Path(base).name!r}",
    )


def load_rows(
    path: Path, renderer: Renderer, max_tokens: int, limit: int | None
) -> tuple[list[Rendered], Counter[str], int, int]:
    """Rows of one dataset file: (rows, reasons of what was dropped, conversations, decisions)."""
    kept: list[Rendered] = []
    dropped: Counter[str] = Counter()
    conversations = decisions = 0
    for conversation in read_dataset(path):
        if limit is not None and conversations == limit:
            break
        conversations += 1
        for row in renderer.rows(examples(conversation)):
            decisions += len(row.example_ids)
            if len(row.ids) > max_tokens:
                dropped[f"longer than {max_tokens} tokens"] += 1
            else:
                kept.append(row)
    return kept, dropped, conversations, decisions


def train_job(recipe: TrainRecipe, out: Path, say: Callable[[str], None]) -> TrainReport:
    """Run the job; writes `out/adapter` and `out/train_report.json`."""
    base = base_folder(recipe.base)
    renderer = renderer_for(str(base), artifact.find(base, dialect=recipe.dialect or "").dialect)
    data = Path(recipe.data)
    train, dropped, conversations, decisions = load_rows(
        data / "train.jsonl", renderer, recipe.max_tokens, recipe.limit
    )
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
