"""Fine-tune a base model on a dataset with LoRA, and merge the adapter into it.

Example: toolfinch train demo --out runs/mine --data runs/demo/data
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from toolfinch import recipe as recipes
from toolfinch.cli.progress import say

if TYPE_CHECKING:
    from toolfinch.train.job import TrainRecipe


def run(
    recipe: Annotated[str, typer.Argument(help="a TOML file, or the name of a packaged recipe")],
    out: Annotated[Path, typer.Option(help="folder for checkpoints, adapter and merged model")],
    data: Annotated[str, typer.Option(help="dataset folder, in place of the recipe's")] = "",
    base: Annotated[str, typer.Option(help="base model, in place of the recipe's")] = "",
) -> None:
    from toolfinch.train.job import TrainRecipe

    path = recipes.find(recipe)
    resolved = recipes.load(path, TrainRecipe)
    if data:
        resolved = msgspec.structs.replace(resolved, data=data)
    if base:
        resolved = msgspec.structs.replace(resolved, base=base)
    train(resolved, out, path.name)
    print(out / "model")


def train(recipe: TrainRecipe, out: Path, recipe_name: str) -> None:
    """Run the job, save the resolved recipe beside it, and merge: `out/adapter`, `out/model`."""
    from toolfinch import artifact
    from toolfinch.artifact import Origin
    from toolfinch.export.label import label
    from toolfinch.export.merge import merge
    from toolfinch.train.job import base_folder, train_job

    out.mkdir(parents=True, exist_ok=True)
    recipes.save(recipe, out / "recipe.toml", f"toolfinch train {recipe_name} --out DIR")
    train_job(recipe, out, say)
    base = base_folder(recipe.base)
    say("merging the adapter into the base")
    merge(out / "adapter", out / "model", base=base)
    label(
        out / "model",
        dialect=artifact.find(base, dialect=recipe.dialect or "").dialect,
        name=out.name,
        origin=Origin(
            base=recipe.base,
            recipe=recipe_name,
            data_sha256=artifact.sha256(Path(recipe.data) / "train.jsonl"),
        ),
    )
