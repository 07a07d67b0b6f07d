"""Fine-tune a base model on a dataset, with LoRA or in full, and leave a model folder that can be run.

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
    out: Annotated[Path, typer.Option(help="folder for checkpoints, adapter and finished model")],
    data: Annotated[str, typer.Option(help="dataset folder, in place of the recipe's")] = "",
    base: Annotated[str, typer.Option(help="base model, in place of the recipe's")] = "",
) -> None:
    from toolfinch.train.job import TrainRecipe

    path = recipes.find(recipe)
    resolved = recipes.load(path, TrainRecipe)
    if data:
        resolved = msgspec.structs.replace(resolved, data=data)
    if base:
        resolved = msgspec.structs.replace(
            resolved, base=base, hub=None
        )  # `hub` is where the recipe's own is
    train(resolved, out, path.name)
    print(out / "model")


def train(recipe: TrainRecipe, out: Path, recipe_name: str) -> None:
    """Run the job, save the resolved recipe beside it, and finish the model: `out/model`.

    What is there already is not made again: the same call goes on where it was stopped.
    """
    from toolfinch import artifact
    from toolfinch.artifact import Origin
    from toolfinch.export.label import label
    from toolfinch.export.merge import merge
    from toolfinch.models import base_folder
    from toolfinch.train.job import claim, dialect_of, train_job

    claim(recipe, out)
    recipes.save(recipe, out / "recipe.toml", f"toolfinch train {out / 'recipe.toml'} --out {out}")
    if (out / "model" / artifact.MANIFEST).is_file():
        say(f"{out / 'model'}: made already, from the same recipe, base and data")
        return
    if not (out / "model").exists():  # it is there whole or not at all
        train_job(recipe, out, say)
        if recipe.sft.lora:
            say("merging the adapter into the base")
            merge(out / "adapter", out / "model", base=base_folder(recipe.base))
        else:
            (out / "full").rename(out / "model")
    label(
        out / "model",
        dialect=dialect_of(recipe),
        name=out.resolve().name,
        origin=Origin(
            base=recipe.base,
            recipe=recipe_name,
            data_sha256=artifact.sha256(Path(recipe.data) / "train.jsonl"),
        ),
    )
