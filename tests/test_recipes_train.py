"""Every packaged recipe trains: a few steps each, on a tiny random model of the architecture that it names."""

from __future__ import annotations

import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import pytest

import tiny_models
from toolfinch import artifact
from toolfinch import recipe as recipes
from toolfinch.cli.train import train
from toolfinch.data.dataset import write_dataset
from toolfinch.errors import DataError, ToolfinchError, UsageError
from toolfinch.example import Conversation, examples
from toolfinch.message import ToolCall, assistant, tool, user
from toolfinch.tool import Tool
from toolfinch.train.job import TrainRecipe
from toolfinch.train.render import Rendered, read_template, renderer_for
from toolfinch.train.sft import Lora, Sft, last_checkpoint, train_sft

LINEAR = ("in_proj_qkv", "in_proj_z", "in_proj_a", "in_proj_b", "out_proj")
FULL = ("q_proj", "k_proj", "v_proj", "o_proj")
MLP = ("gate_proj", "up_proj", "down_proj")
QWEN = ["qwen3.5-4b-4k", "qwen3.5-4b-16k", "qwen3.5-4b-32k", "router-from-traces"]
TOOL = Tool(
    "rent_bike",
    "Rent a bike.",
    {"type": "object", "properties": {"size": {"type": "string"}, "days": {"type": "integer"}}},
)


def talk(i: int) -> Conversation:
    """A call, its result and an answer, then a second request."""
    call = ToolCall("rent_bike", {"size": "7", "days": i}, "call_1")
    again = ToolCall("rent_bike", {"size": "L", "days": 1}, "call_2")
    turns = (
        user(f"A bike of size 7 for {i} days"),
        assistant("", call),
        tool("booked", "call_1", "rent_bike"),
        assistant(f"Booked for {i} days."),
        user("And a large one, and its twin"),
        assistant("", again, msgspec.structs.replace(again, id="call_3")),
    )
    return Conversation(f"c{i}", (TOOL,), turns)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_dataset(folder / "train.jsonl", map(talk, range(1, 5)))
    return folder


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What the recipes name: Qwen3.5 as it is published, with a vision tower, and OPT as it is."""
    folder = tmp_path_factory.mktemp("bases")
    spec = find_spec("trl")
    assert spec and spec.origin
    template = (Path(spec.origin).parent / "chat_templates" / "qwen3_5_think.jinja").read_text()
    text = tiny_models.tiny_model(
        folder / "text", "qwen3_5", template=template, hidden_size=64, max_position_embeddings=32768
    )
    return {
        "Qwen/Qwen3.5-4B": tiny_models.with_vision(text, folder / "qwen"),
        "facebook/opt-350m": tiny_models.tiny_opt(folder / "opt"),
    }


def tiny(name: str, bases: dict[str, Path], data: Path) -> TrainRecipe:
    """The packaged recipe on a tiny base: faster steps, fewer rows in each, all else as it is."""
    recipe = recipes.load(recipes.find(name), TrainRecipe)
    sft = msgspec.structs.replace(recipe.sft, learning_rate=1e-2, batch_size=2, accumulation=1, epochs=2)
    assert recipe.hub is not None
    return msgspec.structs.replace(recipe, base=str(bases[recipe.hub]), data=str(data), sft=sft, limit=2)


def losses(out: Path) -> list[float]:
    last = max((out / "checkpoints").glob("checkpoint-*"), key=lambda p: int(p.name.rpartition("-")[2]))
    state = msgspec.json.decode((last / "trainer_state.json").read_bytes())
    return [entry["loss"] for entry in state["log_history"] if "loss" in entry]


def logits(model: Any, ids: list[int]) -> Any:
    import torch

    with torch.inference_mode():
        return model(input_ids=torch.tensor([ids])).logits


def load(folder: Path) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


@pytest.mark.slow
@pytest.mark.parametrize("name", QWEN)
def test_a_qwen35_recipe_trains(name: str, bases: dict[str, Path], data: Path, tmp_path: Path) -> None:
    """The loss falls, linear attention is covered, vision is not, and the adapter is what was merged."""
    from peft import PeftModel
    from safetensors import safe_open

    recipe = tiny(name, bases, data)
    assert recipe.sft.lora is not None
    train(recipe, tmp_path, name)
    assert losses(tmp_path)[-1] < 0.95 * losses(tmp_path)[0]

    with safe_open(tmp_path / "adapter" / "adapter_model.safetensors", "np") as file:
        keys = [key for key in file.keys() if key.endswith("lora_A.weight")]  # noqa: SIM118
        assert {file.get_tensor(key).shape[0] for key in keys} == {recipe.sft.lora.rank}
    assert not [key for key in keys if "visual" in key]
    for layer in range(4):
        found = {key.split(".")[-3] for key in keys if f".layers.{layer}." in key}
        assert found == {*(FULL if layer == 3 else LINEAR), *MLP}

    ids = list(range(20, 90))
    base = load(Path(recipe.base))
    before = logits(base, ids)
    adapted = logits(PeftModel.from_pretrained(base, tmp_path / "adapter").eval(), ids)
    merged = logits(load(tmp_path / "model"), ids)  # in bf16
    assert (adapted - merged).norm() < 0.02 * merged.norm() < (adapted - before).norm()
    assert artifact.verify(tmp_path / "model").dialect == "qwen_xml"


@pytest.mark.slow
def test_the_opt_recipe_trains_every_weight(bases: dict[str, Path], data: Path, tmp_path: Path) -> None:
    """And what is left is an artifact that is served with the prompts that were trained, BOS and all."""
    from toolfinch.callers.load import load as load_caller

    recipe = tiny("opt-350m-toolbench", bases, data)
    sft = msgspec.structs.replace(recipe.sft, epochs=8)  # its clip makes small steps
    recipe = msgspec.structs.replace(recipe, sft=sft)
    train(recipe, tmp_path, "opt-350m-toolbench")
    assert losses(tmp_path)[-1] < 0.95 * losses(tmp_path)[0]
    model = tmp_path / "model"
    assert artifact.verify(model).dialect == "react"
    before, after = load(Path(recipe.base)).state_dict(), load(model).state_dict()
    assert [key for key in before if before[key].equal(after[key])] == []

    caller = load_caller(str(model))
    renderer = renderer_for(recipe.base, "react", "react")
    example = list(examples(talk(3)))[-1]
    text = caller.prompt(example.messages, example.tools)  # type: ignore[attr-defined]
    assert text == renderer.prompt(example)
    assert text.startswith("</s>") and not text.startswith("</s></s>")
    ids = caller.engine.encode(text)  # type: ignore[attr-defined]
    (row,) = renderer.rows(examples(talk(3)))
    assert row.ids[: len(ids)] == ids


def test_the_react_template_joins_a_whole_conversation(bases: dict[str, Path]) -> None:
    """It writes history as the dialect writes turns, so no decision needs a row of its own."""
    renderer = renderer_for(str(bases["facebook/opt-350m"]), "react", "react")
    conversation = talk(2)
    renderer.check_history(conversation.messages, conversation.tools)
    (row,) = renderer.rows(examples(conversation))
    assert len(row.example_ids) == 3


TEMPLATES = {
    "drops calls": "{% for m in messages %}{{ m.role }}\n{{ m.content or '' }}\n{% endfor %}",
    "keeps the first call alone": read_template("react").replace(
        "in message.tool_calls %}", "in message.tool_calls[:1] %}"
    ),
    "writes arguments as a string": read_template("react").replace(
        "arguments | tojson", "arguments | tojson | tojson"
    ),
}


@pytest.mark.parametrize("what", TEMPLATES)
def test_a_template_that_loses_calls_is_refused(
    what: str, bases: dict[str, Path], data: Path, tmp_path: Path
) -> None:
    (tmp_path / "bad.jinja").write_text(TEMPLATES[what])
    recipe = tiny("opt-350m-toolbench", bases, data)
    recipe = msgspec.structs.replace(recipe, template=str(tmp_path / "bad.jinja"))
    with pytest.raises(
        UsageError, match=r"train\.jsonl: c1: messages\[\d\]: the chat template does not show"
    ):
        train(recipe, tmp_path / "out", "bad")


def test_what_does_not_fit_the_base_is_said_before_the_first_step(
    bases: dict[str, Path], data: Path, tmp_path: Path
) -> None:
    recipe = tiny("opt-350m-toolbench", bases, data)
    wrong: list[tuple[dict[str, Any], type[ToolfinchError], str]] = [
        ({"max_tokens": 4096}, UsageError, "reads 2048 at most"),
        ({"max_tokens": 10}, DataError, "no row to train on is left"),
        ({"template": None}, UsageError, "no chat template"),
        ({"template": "none.jinja"}, UsageError, "no such chat template"),
    ]
    for change, kind, says in wrong:
        with pytest.raises(kind, match=says):
            train(msgspec.structs.replace(recipe, **change), tmp_path, "wrong")
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.parametrize("name", [*QWEN, "opt-350m-toolbench"])
def test_a_missing_base_is_named_with_the_command_that_gets_it(
    name: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = recipes.load(recipes.find(name), TrainRecipe)
    with pytest.raises(UsageError) as caught:
        train(recipe, tmp_path / "out", name)
    assert str(caught.value).startswith(recipe.base)
    assert caught.value.hint == f"hf download {recipe.hub} --local-dir {recipe.base}"


@pytest.mark.slow
def test_rows_in_a_batch_do_not_see_their_padding(bases: dict[str, Path], tmp_path: Path) -> None:
    """The loss of a first step is that of each row by itself, in linear attention and in full."""
    import torch
    from transformers import AutoTokenizer

    base = bases["Qwen/Qwen3.5-4B"]
    rows = [
        Rendered([(7 * i + n) % 400 + 20 for i in range(n)], [i % 3 == 2 for i in range(n)], (f"c/{n}",))
        for n in (90, 70, 12, 5)
    ]
    options = Sft(epochs=1, batch_size=4, lora=Lora(rank=4, alpha=8))
    reached = train_sft(base, AutoTokenizer.from_pretrained(base), rows, [], options, tmp_path, print)
    model, total = load(base), 0.0
    for row in rows:
        scores = logits(model, row.ids)[0, :-1].log_softmax(-1)
        of_next = scores.gather(1, torch.tensor(row.ids[1:]).unsqueeze(1)).squeeze(1)
        total -= float(of_next[torch.tensor(row.mask[1:])].sum())
    supervised = sum(sum(row.mask[1:]) for row in rows)
    assert reached["train_loss"] == pytest.approx(total / supervised, rel=0.005)


@pytest.mark.slow
def test_a_killed_run_goes_on_at_its_checkpoint(
    bases: dict[str, Path], data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe, out = tiny("opt-350m-toolbench", bases, data), tmp_path / "out"
    sft = msgspec.structs.replace(recipe.sft, epochs=20, checkpoint_steps=4)
    recipe = msgspec.structs.replace(recipe, sft=sft)
    recipes.save(recipe, tmp_path / "long.toml", "toolfinch train long")
    command = [sys.executable, "-m", "toolfinch", "train", str(tmp_path / "long.toml"), "--out", str(out)]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not list((out / "checkpoints").glob("*/trainer_state.json")):
        assert running.poll() is None, running.communicate()[1]
        time.sleep(0.02)
    running.kill()
    running.communicate()
    assert not (out / "model").exists()
    train(recipe, out, "long")
    assert "resuming from checkpoint-" in capsys.readouterr().err
    assert artifact.verify(out / "model")


def test_a_checkpoint_that_was_cut_short_is_passed_over(tmp_path: Path) -> None:
    for step, state in ((4, "{}"), (8, '{"epoch": 1'), (12, None)):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        if state is not None:
            (folder / "trainer_state.json").write_text(state)
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-4"
