"""The command line: one line for a mistake, the right exit code, help for every verb."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from toolfinch.cli.main import VERBS, main


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
        (("data", "nothing.jsonl", "--out", "x"), "nothing.jsonl"),
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
