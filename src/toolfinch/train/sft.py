"""LoRA supervised fine-tuning: TRL's `SFTTrainer` and PEFT over rows that `train.render` made.

`toolfinch train RECIPE --out DIR`. The rows arrive tokenized, with labels on exactly what the model will
write, so no template is rendered and nothing is truncated in here. Checkpoints go to DIR/checkpoints; a run
that was stopped (Ctrl-C included) goes on from the last one when the same command runs again.

Left out: full fine-tuning, packing (it leaks between documents on hybrid models), several machines.
"""

from __future__ import annotations

import math
import re
import signal
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import msgspec

from toolfinch.errors import MissingDependency, ToolfinchError, UsageError
from toolfinch.train.render import Rendered

Count = Annotated[int, msgspec.Meta(ge=1)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Above0 = Annotated[float, msgspec.Meta(gt=0)]


class Lora(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The adapter."""

    rank: Count = 32
    """Higher learns more and weighs more."""
    alpha: Count = 64
    """Scale of the adapter's output is alpha / rank."""
    dropout: Share = 0.0
    targets: str | list[str] = "all-linear"
    """`all-linear` finds every projection, those of linear attention too."""
    exclude: str = r".*visual.*"
    """Modules left alone (a regular expression): the vision tower of a multimodal checkpoint."""


class Sft(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the adapter is trained."""

    epochs: Above0 = 3.0
    learning_rate: Above0 = 2e-4
    batch_size: Count = 8
    """Rows a step (a row is a whole conversation where the template allows it)."""
    accumulation: Count = 1
    warmup: Share = 0.05
    """Share of the steps over which the rate rises; it then falls along a cosine."""
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0
    checkpoint_steps: Count = 200
    gradient_checkpointing: bool = False
    lora: Lora = Lora()


class Stopped(ToolfinchError):
    """Training was interrupted; its checkpoint is on disk."""

    exit_code = 130


def labels(row: Rendered) -> list[int]:
    """The token where the model is trained to write it, -100 elsewhere."""
    return [t if on else -100 for t, on in zip(row.ids, row.mask, strict=True)]


def train_lora(
    base: Path,
    train: Sequence[Rendered],
    validation: Sequence[Rendered],
    options: Sft,
    out: Path,
    say: Callable[[str], None],
) -> dict[str, float]:
    """Train an adapter of `base` and save it to `out/adapter`; gives the final losses.

    Raises Stopped on Ctrl-C, after writing a checkpoint.
    """
    if not train:
        raise UsageError("no rows to train on")
    try:
        exclude = re.compile(options.lora.exclude)
    except re.error as error:
        raise UsageError(f"sft.lora.exclude: not a regular expression: {error}") from error
    try:
        import torch
        from datasets import Dataset
        from peft import LoraConfig
        from transformers import AutoModelForCausalLM, AutoTokenizer, PrinterCallback, TrainerCallback
        from transformers.trainer_pt_utils import LengthGroupedSampler
        from trl import SFTConfig, SFTTrainer
    except ImportError as error:
        raise MissingDependency(
            f"training needs {error.name}", hint="pip install 'toolfinch[train]'"
        ) from error

    on_gpu = torch.cuda.is_available()
    checkpoints = out / "checkpoints"
    steps_per_epoch = -(-len(train) // (options.batch_size * options.accumulation))
    total_steps = math.ceil(steps_per_epoch * options.epochs)
    say(f"{len(train)} rows, {sum(len(r.ids) for r in train)} tokens an epoch, {total_steps} steps")
    config = SFTConfig(
        output_dir=str(checkpoints),
        num_train_epochs=options.epochs,
        learning_rate=options.learning_rate,
        per_device_train_batch_size=options.batch_size,
        per_device_eval_batch_size=options.batch_size,
        gradient_accumulation_steps=options.accumulation,
        warmup_steps=round(options.warmup * total_steps),
        lr_scheduler_type="cosine",
        logging_steps=max(1, total_steps // 50),
        save_steps=options.checkpoint_steps,
        save_total_limit=2,
        eval_strategy="epoch" if validation else "no",
        train_sampling_strategy="group_by_length",  # of validation; for training see `ByLength`
        max_length=None,
        packing=False,
        bf16=True,
        use_cpu=not on_gpu,
        activation_checkpointing=options.gradient_checkpointing,
        dataloader_pin_memory=on_gpu,
        dataset_kwargs={"skip_prepare_dataset": True},
        report_to=[],
        disable_tqdm=True,
        seed=options.seed,
    )
    stop = _StopFlag()

    class Progress(TrainerCallback):  # type: ignore[misc]
        """Says how far it is, and turns Ctrl-C into a checkpoint."""

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if stop.asked:
                control.should_save = True
                control.should_training_stop = True

        def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if stop.asked and state.global_step < state.max_steps:
                control.should_evaluate = False  # whoever pressed Ctrl-C does not wait for a validation

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if logs and "loss" in logs:
                say(f"step {state.global_step} of {state.max_steps}, loss {float(logs['loss']):.3f}")
            elif logs and "eval_loss" in logs:
                say(f"step {state.global_step}, validation loss {float(logs['eval_loss']):.3f}")

    class ByLength(LengthGroupedSampler):  # type: ignore[misc]
        """Rows of like length together, in an order that is the epoch's own.

        The library's order hangs on how many random numbers were drawn before, so an epoch that was resumed
        would repeat some rows and skip others.
        """

        def set_epoch(self, epoch: int) -> None:
            self.generator = torch.Generator().manual_seed(options.seed + epoch)

    class Trainer(SFTTrainer):  # type: ignore[misc]
        def _get_train_sampler(self, train_dataset: Any = None) -> Any:
            group = options.batch_size * options.accumulation
            return ByLength(group, lengths=[len(row.ids) for row in train])

    model = AutoModelForCausalLM.from_pretrained(
        base, dtype=torch.float32 if not on_gpu else "auto", local_files_only=True
    )
    # PEFT warns about an exclusion that excludes nothing, and few models have what is excluded.
    excluded = any(exclude.fullmatch(name) for name, _ in model.named_modules())
    # TRL asks for a property under its old name.
    warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
    trainer = Trainer(
        model=model,
        processing_class=AutoTokenizer.from_pretrained(base, local_files_only=True),
        args=config,
        train_dataset=Dataset.from_list(_columns(train)),
        eval_dataset=Dataset.from_list(_columns(validation)) if validation else None,
        peft_config=LoraConfig(
            r=options.lora.rank,
            lora_alpha=options.lora.alpha,
            lora_dropout=options.lora.dropout,
            target_modules=options.lora.targets,
            exclude_modules=options.lora.exclude if excluded else None,
            task_type="CAUSAL_LM",
        ),
        callbacks=[Progress()],
    )
    trainer.remove_callback(PrinterCallback)  # it prints to standard output, which is for results
    resume = _last_checkpoint(checkpoints)
    if resume is not None:
        say(f"resuming from {resume.name}")
    with stop:
        trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    if stop.asked and trainer.state.global_step < trainer.state.max_steps:
        raise Stopped(
            f"stopped at step {trainer.state.global_step} of {trainer.state.max_steps}, checkpoint saved",
            hint="run the same command again to go on from here",
        )
    trainer.save_model(str(out / "adapter"))
    losses = [h["loss"] for h in trainer.state.log_history if "loss" in h]
    evals = [h["eval_loss"] for h in trainer.state.log_history if "eval_loss" in h]
    return {k: v[-1] for k, v in (("train_loss", losses), ("validation_loss", evals)) if v}


def _columns(rows: Sequence[Rendered]) -> list[dict[str, list[int]]]:
    return [{"input_ids": r.ids, "labels": labels(r)} for r in rows]


def _last_checkpoint(folder: Path) -> Path | None:
    found = [p for p in folder.glob("checkpoint-*") if (p / "trainer_state.json").is_file()]
    return max(found, key=lambda p: int(p.name.rpartition("-")[2]), default=None)


class _StopFlag:
    """While entered, the first Ctrl-C sets `asked`; a second one interrupts at once."""

    def __init__(self) -> None:
        self.asked = False
        self._before: Any = None

    def __enter__(self) -> _StopFlag:
        self._before = signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True
        signal.signal(signal.SIGINT, self._before)
