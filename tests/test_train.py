"""Training for real, on tiny models: it learns, it resumes, Ctrl-C keeps the checkpoint."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tiny_models import tiny_model
from toolfinch.errors import UsageError
from toolfinch.train.job import TrainRecipe, claim
from toolfinch.train.pretrain import Optimisation, rate_at
from toolfinch.train.render import Rendered
from toolfinch.train.sft import Lora, Sft, train_sft

ENVIRONMENT = {**os.environ, "TOKENIZERS_PARALLELISM": "false"}


def test_the_rate_rises_stays_and_falls() -> None:
    options = Optimisation(warmup=0.1, decay=0.5)
    rates = [rate_at(p / 100, options) for p in range(101)]
    assert rates[5] == pytest.approx(0.5)
    assert rates[10:50] == [1.0] * 40
    assert rates[75] == pytest.approx(0.5)
    assert rates[100] == 0.0


TINY_BASE = """
[text]
forged = 40
builtin = 40
parts = 2
max_tokens = 700
[vocabulary]
size = 1024
spaced_words = 32
conversations = 40
[shape]
hidden = 64
layers = 2
feed_forward = 128
heads = 2
kv_heads = 1
head_dim = 32
[optimisation]
tokens = {tokens}
batch_tokens = 2048
checkpoint_minutes = 0.0
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny base made by the verb itself, in two runs of which the second resumes."""
    out = tmp_path_factory.mktemp("base")
    for tokens, says in ((8_000, "learning the tokenizer"), (40_000, "resumed at 0.0")):
        recipe = out / "tiny.toml"
        recipe.write_text(TINY_BASE.format(tokens=tokens))
        done = toolfinch("pretrain", str(recipe), "--out", str(out))
        assert done.returncode == 0, done.stderr
        assert says in done.stderr
    return out / "model"


def toolfinch(*argv: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "toolfinch", *argv]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=ENVIRONMENT)


@pytest.mark.slow
def test_pretraining_learns(base: Path) -> None:
    log = [json.loads(line) for line in (base.parent / "run" / "log.jsonl").read_text().splitlines()]
    assert log[-1]["loss"] < log[0]["loss"]
    assert (base / "tokenizer.json").is_file()
    assert (base / "toolfinch.json").is_file()


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from toolfinch.data.dataset import write_dataset
    from toolfinch.data.synthesize import synthesize

    folder = tmp_path_factory.mktemp("data")
    write_dataset(folder / "train.jsonl", synthesize(48, seed=1))
    write_dataset(folder / "validation.jsonl", synthesize(4, seed=2))
    return folder


def recipe_for(base: Path, dataset: Path, folder: Path, epochs: float) -> Path:
    path = folder / "mine.toml"
    path.write_text(
        f'base = "{base}"\ndata = "{dataset}"\n[sft]\nepochs = {epochs}\nbatch_size = 4\n'
        "learning_rate = 1e-2\ncheckpoint_steps = 5\n[sft.lora]\nrank = 4\nalpha = 8\n"
    )
    return path


@pytest.mark.slow
def test_train_merges_a_model_that_loads(base: Path, dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = toolfinch("train", str(recipe_for(base, dataset, tmp_path, 2)), "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{out / 'model'}\n"
    report = json.loads((out / "train_report.json").read_text())
    assert report["conversations"] == 48
    assert 0 < report["supervised_tokens"] < report["tokens"]
    evaluated = toolfinch(
        "eval", "never", str(out / "model"), "--suite", str(dataset / "validation.jsonl"), "--conversations", "1",
        "--out", str(tmp_path / "eval"), "--json",
    )  # fmt: skip
    assert evaluated.returncode == 0, evaluated.stderr
    assert json.loads(evaluated.stdout)["sections"][0]["columns"][0]["caller"] == "never-call"


@pytest.mark.slow
def test_ctrl_c_keeps_a_checkpoint_and_the_same_command_goes_on(
    base: Path, dataset: Path, tmp_path: Path
) -> None:
    recipe = recipe_for(base, dataset, tmp_path, 8)
    command = ["train", str(recipe), "--out", str(tmp_path / "out")]
    running = subprocess.Popen(
        [sys.executable, "-m", "toolfinch", *command], stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    )
    assert running.stderr is not None
    for line in running.stderr:
        if "] step " in line:
            break
    time.sleep(0.2)
    running.send_signal(signal.SIGINT)
    rest = running.stderr.read()
    assert running.wait(60) == 130
    assert "checkpoint saved" in rest
    assert "Traceback" not in rest
    again = toolfinch(*command)
    assert "resuming from checkpoint-" in again.stderr
    assert again.returncode == 0, again.stderr
    assert "made already" in toolfinch(*command).stderr
    recipe_for(base, dataset, tmp_path, 1)
    other = toolfinch(*command)
    assert other.returncode == 2
    assert "holds another run: sft.epochs was 8.0, is 1.0" in other.stderr


def test_checkpoints_of_another_recipe_or_other_data_are_not_resumed(tmp_path: Path) -> None:
    base = tiny_model(tmp_path / "base", "qwen3")
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    (data / "train.jsonl").write_text("one")
    recipe = TrainRecipe(data=str(data), base=str(base))
    claim(recipe, out)
    claim(TrainRecipe(data=str(data), base=str(base), limit=3), out)  # nothing was trained yet
    claim(recipe, out)
    (out / "checkpoints").mkdir()
    claim(recipe, out)
    with pytest.raises(UsageError, match="holds another run: limit was None, is 3"):
        claim(TrainRecipe(data=str(data), base=str(base), limit=3), out)
    (data / "train.jsonl").write_text("two")
    with pytest.raises(UsageError, match="holds another run: data was"):
        claim(recipe, out)


@pytest.mark.slow
def test_a_resumed_run_reads_the_rows_that_were_left(tmp_path: Path) -> None:
    """Resumed in the middle of the second epoch, it ends with the weights of the run that was not stopped."""
    from safetensors.torch import load_file
    from transformers import AutoTokenizer

    base = tiny_model(tmp_path / "base", "qwen3")
    rows = [Rendered([*range(9, 21 + i)], [True] * (12 + i), (f"c/{i}",)) for i in range(12)]
    options = Sft(epochs=2, batch_size=4, checkpoint_steps=4, learning_rate=1e-2, lora=Lora(rank=4, alpha=8))
    out, said = tmp_path / "out", list[str]()
    tokenizer = AutoTokenizer.from_pretrained(base)
    train_sft(base, tokenizer, rows, [], options, out, said.append)
    whole = load_file(out / "adapter" / "adapter_model.safetensors")
    shutil.rmtree(out / "checkpoints" / "checkpoint-6")
    train_sft(base, tokenizer, rows, [], options, out, said.append)
    assert "resuming from checkpoint-4" in said
    resumed = load_file(out / "adapter" / "adapter_model.safetensors")
    assert all(resumed[name].equal(weight) for name, weight in whole.items())
