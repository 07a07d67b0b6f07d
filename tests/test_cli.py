"""The command line: one line for a mistake, the right exit code, help for every verb."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tiny_models import tiny_model
from toolfinch import artifact
from toolfinch.cli.eval import How, artifact_digest, column, measure, opened
from toolfinch.cli.main import VERBS, main
from toolfinch.cli.pretrain import refuse_another
from toolfinch.errors import ToolfinchError, UsageError
from toolfinch.train.base import BaseRecipe, Text
from toolfinch.train.pretrain import Optimisation


def outcome(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    try:
        main(list(argv))
        code = 0
    except SystemExit as stop:
        code = int(stop.code or 0)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = outcome(capsys, verb, "--help")
    assert code == 0
    assert f"toolfinch {verb}" in out.split("Example:")[1]


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("fly",), "no such verb: fly"),
        (("train", "none.toml", "--out", "x"), "none.toml: no such recipe"),
        (("eval", "no/such/model", "--out", "x"), "no/such/model: no such file or folder"),
        (("eval", "never", "--suite", "nowhere"), "nowhere: no such suite"),
        (("eval", "fledglin", "--out", "x"), "fledglin: no such file or folder"),
        (("eval", "never", "--dialect", "hermse", "--out", "x"), "hermse"),
        (("eval", "a=never", "a=bm25", "--out", "x"), "two callers are named 'a'"),
        (("eval", "never", ".", "--out", "x"), ".: no model in it"),
        (("eval", "never", "--out", "/proc/x"), "--out /proc/x: "),
        (("eval", "--model", "m", "--out", "x"), "--base-url"),
        (("eval", "--out", "x"), "nothing to measure"),
        (("eval", "never", "--suite", "bfcl", "--data", "bfc=y"), "no suite 'bfc' takes a folder"),
        (("data", "nothing.jsonl", "--out", "x"), "nothing.jsonl"),
        (("data", ".", "--out", "x"), ".: a folder"),
        (("serve", "no.gguf", "--port", "0"), "no.gguf: no such file or folder"),
        (("show-mask", "nothing.jsonl"), "nothing.jsonl"),
        (("export", "no/model", "--out", "x"), "no/model"),
    ],
)
def test_a_mistake_is_one_line(
    argv: tuple[str, ...],
    says: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = outcome(capsys, *argv)
    assert code == 2
    errors = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, err
    assert says in errors[0]
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("data = 3\n", "data: expected str, got int"),
        ('data = "x"\nbasis = "y"\n', "basis: no such key"),
        ('data = "x"\n[sft.lora]\nrank = "high"\n', "sft.lora.rank: expected int, got str"),
        ("base = 'x'\n", "data: missing"),
        ('data = "x\n', "not TOML"),
    ],
)
def test_a_wrong_recipe_key_names_file_and_path(
    text: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text(text)
    code, _, err = outcome(capsys, "train", str(recipe), "--out", str(tmp_path / "out"))
    assert code == 2
    assert f"{recipe}: {says}" in err


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "toolfinch", "train", "none.toml", "--out", "x", "--debug"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert "Traceback" in done.stderr
    assert done.returncode == 2


def test_a_file_that_cannot_be_written_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    code, _, err = outcome(capsys, "synthesize", "--n", "1", "--out", str(tmp_path / "file" / "x.jsonl"))
    assert code == 1
    assert err == f"error: {tmp_path / 'file'}: File exists\n"


def test_ctrl_c_says_so_and_leaves_no_half_file(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "toolfinch", "synthesize", "--n", "100000000", "--out", "x.jsonl"]
    running = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    while running.poll() is None and not list(tmp_path.glob(".x.jsonl.*")):
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate()
    assert running.returncode == 130
    assert err == "\nsynthesize: stopped\n"
    assert not list(tmp_path.iterdir())


def test_a_column_has_a_name_only_where_one_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths and addresses hold equals signs of their own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lr=1").mkdir()
    assert column("mine=runs/lr=1e-3/model") == ("mine", "runs/lr=1e-3/model")
    assert column("big=http://host/v1#m") == ("big", "http://host/v1#m")
    for alone in ("runs/lr=1e-3/model", "lr=1", "http://host/v1?key=x#m", "never"):
        assert column(alone) == ("", alone)


def test_an_artifact_that_was_changed_is_not_measured_under_its_old_hash(tmp_path: Path) -> None:
    """The report would name a model that is not there, and take up the replies of the one that was."""
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"weights")
    files = (artifact.describe(tmp_path, weights.name, "safetensors"),)
    made = artifact.Artifact("m", "hermes", "qwen3", "0" * 64, files)
    artifact.write(made, tmp_path)
    assert artifact_digest(str(tmp_path)) == made.digest()
    weights.write_bytes(b"changed")
    with pytest.raises(ToolfinchError, match="the file was changed"):
        artifact_digest(str(tmp_path))


def test_a_model_with_another_template_is_another(tmp_path: Path) -> None:
    """A folder that was downloaded has no manifest: a corrected chat template would get the old replies."""
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "chat_template.jinja").write_text("one")
    first = artifact_digest(str(tmp_path))
    (tmp_path / "chat_template.jinja").write_text("another")
    assert artifact_digest(str(tmp_path)) != first
    assert artifact_digest("never") == ""


def test_a_suite_is_measured_once_however_it_is_spelled() -> None:
    """Its cases would stand twice in a column, and `compare` refuses such a folder."""
    assert [one.name for one in opened(["failed-tools", "forty", "failed_tools"], [], 1, None)] == [
        "failed_tools",
        "forty",
    ]


def test_two_folders_of_one_suite_are_refused(tmp_path: Path) -> None:
    """The first would not be read, and nobody would know."""
    for data in (["a", "b"], ["bfcl=a", "bfcl=b"]):
        with pytest.raises(UsageError, match="a and b"):
            opened(["bfcl"], data, 0, None)


def test_seen_tools_leave_a_suites_own_tags(tmp_path: Path) -> None:
    training = tmp_path / "train.jsonl"
    said = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    training.write_text(json.dumps({"id": "t", "tools": [], "messages": said}) + "\n")
    (suite,) = opened(["dependencies"], [], 1, training)
    (before,) = opened(["dependencies"], [], 1, None)
    assert suite.examples[0].tags == (*before.examples[0].tags, "unseen tools")


def test_a_reply_of_another_context_is_not_used_again(tmp_path: Path) -> None:
    """What did not fit into 512 tokens, or was cut by their end, may be right with more."""
    suites = opened(["forty"], [], 1, None)
    for context in (512, 8192, 1024, 1024):
        measure(["fledgling"], suites, tmp_path, How(context=context))
    measure(["fledgling"], suites, tmp_path, How("auto"))  # for an endpoint beside it: no other dialect here
    kept = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert len({line["key"] for line in kept}) == 3


def test_data_drops_what_the_base_cannot_write_and_leaves_no_stale_side(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One garbled turn must not stop the log; an old test.jsonl may hold what is trained on now."""
    base = tiny_model(tmp_path / "base", "qwen3")
    log, out = tmp_path / "log.jsonl", tmp_path / "data"
    log.write_text(
        "".join(
            json.dumps(
                {"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": text}]}
            )
            + "\n"
            for text in ("Good morning.", "Good night.", "<tool_call>{")
        )
    )
    out.mkdir()
    (out / "test.jsonl").write_text("old")
    code, _, err = outcome(
        capsys, "data", str(log), "--base", str(base), "--dialect", "hermes", "--out", str(out),
        "--validation", "0", "--test", "0",
    )  # fmt: skip
    assert code == 0, err
    assert "cannot write content that has a call's marks in it: 1" in (out / "funnel.md").read_text()
    assert len((out / "train.jsonl").read_text().splitlines()) == 2
    assert not (out / "test.jsonl").exists()


def test_a_base_is_not_finished_with_another_recipe_than_it_was_begun_with(tmp_path: Path) -> None:
    """Batches, corpus and shape would not be those of the checkpoint; only the length may change."""
    begun = BaseRecipe(Text(forged=8, builtin=8))
    refuse_another(
        begun, BaseRecipe(Text(forged=8, builtin=8), optimisation=Optimisation(tokens=5)), tmp_path
    )
    with pytest.raises(UsageError, match=r"holds another run: text\.forged was 8, is 9"):
        refuse_another(begun, BaseRecipe(Text(forged=9, builtin=8)), tmp_path)
