"""Supervised fine-tuning: TRL's `SFTTrainer` over rows that `train.render` made, with PEFT's LoRA or in full.

`toolfinch train RECIPE --out DIR`. The rows arrive tokenized, with labels on exactly what the model will
write, so no template is rendered and nothing is truncated in here. Checkpoints go to DIR/checkpoints; a run
that was stopped (Ctrl-C and `kill -9` included) goes on from the last one when the same command runs again.

Left out: packing (it leaks between documents on hybrid models), quantised bases, several machines.
"""

from __future__ import annotations

import json
import math
import re
import signal
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Literal

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
    """How the base is trained."""

    epochs: Above0 = 3.0
    learning_rate: Above0 = 2e-4
    batch_size: Count = 8
    """Rows read at once (a row is a whole conversation where the template allows it)."""
    accumulation: Count = 1
    """Batches a step."""
    optimizer: Literal["adamw", "adafactor"] = "adamw"
    """`adafactor` keeps far less in memory beside the weights, and takes longer."""
    weight_decay: Share = 0.0
    clip: Above0 = 1.0
    """Gradients are scaled down to at most this norm."""
    warmup: Share = 0.05
    """Share of the steps over which the rate rises."""
    schedule: Literal["cosine", "linear"] = "cosine"
    """How it then falls, to zero."""
    precision: Literal["bf16", "fp16"] = "bf16"
    """What is computed in. What is trained is held in float32; a frozen base is held in this."""
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0
    checkpoint_steps: Count = 200
    gradient_checkpointing: bool = False
    """Compute activations again in the backward pass: slower, in a fraction of the memory."""
    lora: Lora | None = None
    """The adapter. Left out, every weight of the base is trained."""


OWN_LOGITS = ("logits_scaling", "logit_scale", "final_logit_softcapping", "output_router_logits")
"""What a model's configuration says where its logits, or its loss, are not the output embedding's alone."""


class Stopped(ToolfinchError):
    """Training was interrupted; its checkpoint is on disk."""

    exit_code = 130


def labels(row: Rendered) -> list[int]:
    """The token where the model is trained to write it, -100 elsewhere."""
    return [t if on else -100 for t, on in zip(row.ids, row.mask, strict=True)]


def train_sft(
    base: Path,
    tokenizer: Any,
    train: Sequence[Rendered],
    validation: Sequence[Rendered],
    options: Sft,
    out: Path,
    say: Callable[[str], None],
) -> dict[str, float]:
    """Train `base` and give the final losses.

    Leaves an adapter in `out/adapter`, or the whole model in `out/full`, with `tokenizer` (a transformers
    one, and its chat template) beside it. Raises Stopped on Ctrl-C, after writing a checkpoint.
    """
    if not train:
        raise UsageError("no rows to train on")
    try:
        import torch
        from datasets import Dataset
        from peft.helpers import disable_input_dtype_casting
        from torch.nn.functional import cross_entropy
        from transformers import AutoModelForCausalLM, PrinterCallback, TrainerCallback
        from transformers.trainer_pt_utils import LengthGroupedSampler
        from trl import SFTConfig, SFTTrainer
    except ImportError as error:
        raise MissingDependency(
            f"training needs {error.name}", hint="pip install 'toolfinch[train]'"
        ) from error

    on_gpu = torch.cuda.is_available()
    precision = options.precision if on_gpu else "bf16"
    if precision != options.precision:
        say(f"{options.precision} needs a GPU: computing in {precision}")
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
        optim={"adamw": "adamw_torch_fused", "adafactor": "adafactor"}[options.optimizer],
        weight_decay=options.weight_decay,
        max_grad_norm=options.clip,
        warmup_steps=round(options.warmup * total_steps),
        lr_scheduler_type=options.schedule,
        logging_steps=max(1, total_steps // 50),
        save_steps=options.checkpoint_steps,
        save_total_limit=2,
        eval_strategy="epoch" if validation else "no",
        train_sampling_strategy="group_by_length",  # of validation; for training see `ByLength`
        max_length=None,
        packing=False,
        bf16=precision == "bf16",
        fp16=precision == "fp16",
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

        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            """On a CPU the library scores every position, supervised or not, which doubles the time of a step.

            Padding stands on the right, where causal layers do not see it: without a mask attention takes its
            quick way too. On a GPU the library's own loss is as good, and keeps no logits.
            """
            if on_gpu or any(getattr(model.config, name, None) for name in OWN_LOGITS):
                return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
            whole = model.get_base_model() if options.lora else model
            targets = inputs["labels"][:, 1:]
            supervised = targets != -100
            with self.accelerator.autocast():
                states = whole.base_model(input_ids=inputs["input_ids"], use_cache=False).last_hidden_state
                logits = whole.get_output_embeddings()(states[:, :-1][supervised]).float()
            loss = cross_entropy(logits, targets[supervised], reduction="sum")
            return loss / (supervised.sum() if num_items_in_batch is None else num_items_in_batch)

    held_in = {"bf16": torch.bfloat16, "fp16": torch.float16}
    model = AutoModelForCausalLM.from_pretrained(
        base, dtype=held_in[precision] if options.lora else torch.float32, local_files_only=True
    )
    # TRL asks for a property under its old name.
    warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
    trainer = Trainer(
        model=model,
        processing_class=tokenizer,
        args=config,
        train_dataset=Dataset.from_list(_columns(train)),
        eval_dataset=Dataset.from_list(_columns(validation)) if validation else None,
        peft_config=_peft_config(options.lora, model) if options.lora else None,
        callbacks=[Progress()],
    )
    trainer.remove_callback(PrinterCallback)  # it prints to standard output, which is for results
    sizes = [(p.numel(), p.requires_grad) for p in trainer.model.parameters()]
    trained = sum(size for size, on in sizes if on)
    say(f"{trained} of {sum(size for size, _ in sizes)} parameters are trained, computing in {precision}")
    resume = last_checkpoint(checkpoints)
    if resume is not None:
        say(f"resuming from {resume.name}")
    # Autocast casts what goes into an adapter; PEFT would cast it to float32 before.
    with stop, disable_input_dtype_casting(trainer.model):
        trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    if stop.asked and trainer.state.global_step < trainer.state.max_steps:
        raise Stopped(
            f"stopped at step {trainer.state.global_step} of {trainer.state.max_steps}, checkpoint saved",
            hint="run the same command again to go on from here",
        )
    if options.lora is None:
        trainer.model.to(held_in[options.precision])
    trainer.save_model(str(out / ("adapter" if options.lora else "full")))
    losses = [h["loss"] for h in trainer.state.log_history if "loss" in h]
    evals = [h["eval_loss"] for h in trainer.state.log_history if "eval_loss" in h]
    return {k: v[-1] for k, v in (("train_loss", losses), ("validation_loss", evals)) if v}


def _peft_config(lora: Lora, model: Any) -> Any:
    from peft import LoraConfig

    try:
        exclude = re.compile(lora.exclude)
    except re.error as error:
        raise UsageError(f"sft.lora.exclude: not a regular expression: {error}") from error
    # PEFT warns about an exclusion that excludes nothing, and few models have what is excluded.
    excluded = any(exclude.fullmatch(name) for name, _ in model.named_modules())
    return LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.targets,
        exclude_modules=lora.exclude if excluded else None,
        task_type="CAUSAL_LM",
    )


def _columns(rows: Sequence[Rendered]) -> list[dict[str, list[int]]]:
    return [{"input_ids": r.ids, "labels": labels(r)} for r in rows]


def last_checkpoint(folder: Path) -> Path | None:
    """The newest one in `folder` that is whole: its state is written last, and one cut short is no JSON."""

    def whole(checkpoint: Path) -> bool:
        try:
            json.loads((checkpoint / "trainer_state.json").read_bytes())
        except (OSError, ValueError):
            return False
        return True

    found = filter(whole, folder.glob("checkpoint-*"))
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
