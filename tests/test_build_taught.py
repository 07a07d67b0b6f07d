"""Would break: a build that sends or writes what is real, pays twice, or gives what `toolfinch train` does not take."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from toolfinch.callers.load import load
from toolfinch.cli.main import main
from toolfinch.data.dataset import read_dataset
from toolfinch.serve.run import background

ASSISTANT = Path(__file__).parents[1] / "examples" / "assistant"
GOLDEN = Path(__file__).parent / "golden" / "readers"
NAMES = ("Ottokar", "Zwiebelmann", "otto.zwiebel", "ozwiebel", "OZ-77123")


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    with pytest.raises(SystemExit) as stop:
        main([str(one) for one in arguments])
    code = stop.value.code
    return (code if isinstance(code, int) else 1), capsys.readouterr().err


def planted(folder: Path, count: int = 30) -> Path:
    """The example assistant's log, with someone in it."""
    rows = [json.loads(line) for line in (ASSISTANT / "log.jsonl").read_text().splitlines()[:count]]
    for row in rows:
        for message in row["messages"]:
            if message["role"] == "user":
                message["content"] += " Ottokar Zwiebelmann, otto.zwiebel@kundendienst.de, OZ-77123."
                break
    path = folder / "log.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    (folder / "people.csv").write_text(
        "kind,name,email,handle,id\nperson,Ottokar Zwiebelmann,otto.zwiebel@kundendienst.de,ozwiebel,OZ-77123\n"
    )
    (folder / "key").write_text("0123456789abcdef0123456789abcdef")
    return path


def recipe(folder: Path, *, more: str = "", anonymize: bool = True) -> Path:
    text = f"logs = [{json.dumps(str(folder / 'log.jsonl'))}]\ntools = {json.dumps(str(ASSISTANT / 'tools.json'))}\n"
    if anonymize:
        text += f'[anonymize]\nroster = "{folder}/people.csv"\nkey_file = "{folder}/key"\n'
    (folder / "r.toml").write_text(text + more)
    return folder / "r.toml"


def written(folder: Path) -> str:
    """Everything in the folder, as text; a file that is missing would not be looked through."""
    assert {"train.jsonl", "card.md", "card.json", "funnel.md", "dropped.jsonl", "recipe.toml"} <= {
        path.name for path in folder.iterdir()
    }
    return "\n".join(
        path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file()
    ).casefold()


def test_nobody_is_left_in_anything_that_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = planted(tmp_path)
    named = log.rename(tmp_path / "ottokar-zwiebelmann.jsonl")
    text = recipe(tmp_path).read_text().replace("log.jsonl", named.name)
    (tmp_path / "r.toml").write_text(text + "[synthesize]\nconversations = 5\n")
    code, said = run(capsys, "data", "build", tmp_path / "r.toml", "--out", tmp_path / "out")
    assert code == 0, said
    everything = written(tmp_path / "out")
    for name in NAMES:
        assert name.casefold() not in everything
    assert "looked for" in everything and "0 found" in everything
    rows = [
        one
        for side in ("train", "validation", "test")
        for one in read_dataset(tmp_path / "out" / f"{side}.jsonl")
    ]
    assert sum(one.source.startswith("from_schemas") for one in rows) == 5
    assert not any(one.time for one in rows)


@pytest.mark.parametrize(
    ("more", "anonymize", "line"),
    [
        ("", "no key", "key: no such file"),
        ("", "short key", "a key of 3 bytes; at least 16"),
        ("", "no roster", "people.csv"),
        ("[relabel]\n", True, "relabel: there is nobody to ask: no [ask]"),
        (
            '[ask]\nbudget = 1.0\nteachers = [{url = "http://127.0.0.1:9/v1", model = "m"}]\n',
            False,
            "ask: a teacher sees only",
        ),
        ("[ask]\nbudget = 1.0\nteachers = []\n[relabel]\n", True, "no teacher is named"),
        ("[ask]\nteachers = []\n", True, "ask.budget: missing"),
        (
            '[ask]\nbudget = 1.0\nteachers = [{url = "http://127.0.0.1:9/v1", model = "fledgling"}]\n[relabel]\n',
            True,
            "fledgling",
        ),
        ('[curate]\ndecontaminate = ["no-such-suite"]\n', True, "no-such-suite: no such suite"),
        ("[curate]\nnear = 2.0\n", True, "curate.near"),
    ],
)
def test_what_is_missing_is_one_line_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: str, anonymize: Any, line: str
) -> None:
    planted(tmp_path, 5)
    path = recipe(tmp_path, more=more, anonymize=bool(anonymize))
    if anonymize == "no key":
        (tmp_path / "key").unlink()
    if anonymize == "short key":
        (tmp_path / "key").write_text("abc")
    if anonymize == "no roster":
        (tmp_path / "people.csv").unlink()
    code, said = run(capsys, "data", "build", path, "--out", tmp_path / "out")
    errors = [text for text in said.splitlines() if text.startswith("error: ")]
    assert code in (1, 2) and len(errors) == 1 and line in errors[0], said
    assert "Traceback" not in said
    assert not list((tmp_path / "out").glob("*.jsonl"))


def test_the_key_alone_decides_the_pseudonyms(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = planted(tmp_path)
    path = recipe(tmp_path)
    for out in ("one", "two"):
        assert run(capsys, "data", "build", path, "--out", tmp_path / out)[0] == 0
        log.write_text("\n".join(reversed(log.read_text().splitlines())))
    (tmp_path / "key").write_text("another key, just as long as it must be")
    assert run(capsys, "data", "build", path, "--out", tmp_path / "three")[0] == 0
    one, two, three = (
        sorted((tmp_path / n / "train.jsonl").read_text().splitlines()) for n in ("one", "two", "three")
    )

    def said(rows: list[str]) -> set[str]:
        return {message["content"] or "" for row in rows for message in json.loads(row)["messages"]}

    assert said(one) == said(two) != said(three)


@pytest.mark.slow
def test_from_mixed_logs_and_a_real_endpoint_to_a_training_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    planted(tmp_path, 12)
    logs = [tmp_path / "log.jsonl", GOLDEN / "anthropic.jsonl", GOLDEN / "otel_genai.jsonl"]
    with background(load("fledgling")) as url:
        ask = f'[ask]\nbudget = 1.0\nstudent = "mine"\n[[ask.teachers]]\nurl = "{url}"\nmodel = "fledgling"\nprice_in = 0.1\nprice_out = 0.4\n'
        path = recipe(tmp_path, more=f"{ask}[relabel]\n")
        code, told = run(capsys, "data", "build", path, *logs, "--out", tmp_path / "out")
        assert code == 0, told
    assert "anthropic," in told and "otel_genai," in told
    with closing(sqlite3.connect(tmp_path / "out" / "ledger.sqlite")) as ledger:
        answers = "\n".join(str(row) for row in ledger.iterdump())
    for name in NAMES:
        assert name.casefold() not in written(tmp_path / "out") + answers.casefold()
    card = msgspec.json.decode((tmp_path / "out" / "card.json").read_bytes())
    labels = card["sides"]["train"]["labels"]
    assert sum(labels.values()) > 0 and labels.keys() <= {"agreed", "changed", "disputed", "abstained"}
    assert "fledgling" in card["teachers"]

    # The server is gone: what it was paid for is remembered, and a changed filter asks nothing.
    recipe(tmp_path, more=f"{ask}[relabel]\n[curate]\nnear = 0.0\n")
    code, told = run(capsys, "data", "build", path, *logs, "--out", tmp_path / "out")
    assert code == 0, told

    (tmp_path / "train.toml").write_text(
        f'base = "fledgling"\ndata = "{tmp_path / "out"}"\nlimit = 4\n[sft]\nepochs = 1\nbatch_size = 4\n[sft.lora]\nrank = 4\n'
    )
    code, told = run(capsys, "train", tmp_path / "train.toml", "--out", tmp_path / "specialist")
    assert code == 0, told
    assert (tmp_path / "specialist" / "model" / "model.safetensors").is_file()


def rows_of(folder: Path) -> list[Any]:
    return [
        one
        for side in ("train", "validation", "test")
        if (path := folder / f"{side}.jsonl").is_file()
        for one in read_dataset(path)
    ]


def session(number: int, text: str, **more: Any) -> dict[str, Any]:
    words = (
        "apple",
        "brick",
        "cloud",
        "delta",
        "ember",
        "flint",
        "grove",
        "heath",
        "inlet",
        "jetty",
        "knoll",
        "larch",
    )
    said = " ".join(words[(number * step + step) % len(words)] for step in range(1, 9))
    return {
        "session_id": f"s{number}",
        "messages": [
            {"role": "user", "content": f"{said} {text}"},
            {"role": "assistant", "content": f"ok {said}"},
        ],
        **more,
    }


def built(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    rows: list[dict[str, Any]],
    more: str = "",
    tools: str = "[]",
) -> tuple[int, str]:
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "key").write_text("0123456789abcdef0123456789abcdef")
    (tmp_path / "r.toml").write_text(
        f'logs = ["{tmp_path}/log.jsonl"]\n[anonymize]\nkey_file = "{tmp_path}/key"\n{more}'
    )
    return run(capsys, "data", "build", tmp_path / "r.toml", "--out", tmp_path / "out")


def test_what_stands_in_tools_scenarios_and_behind_an_at_is_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    offered = {
        "name": "note",
        "description": "Writes to desk@corp-real.hu, or +36 30 765 4321.",
        "parameters": {
            "type": "object",
            "properties": {"to": {"type": "string", "default": "boss@corp-real.hu"}},
        },
    }
    rows = [
        session(i, "see https://people.fjordbank.no/u", tools=[offered], scenario="of ingrid@fjordbank.no")
        for i in range(4)
    ]
    code, told = built(tmp_path, capsys, rows)
    assert code == 0, told
    everything = written(tmp_path / "out")
    for token in ("corp-real", "765 4321", "7654321", "fjordbank", "ingrid@"):
        assert token not in everything


def test_times_are_there_to_split_by_and_gone_after(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        session(i, f"mail a{i}@corp-real.hu", created_at=f"2025-03-{i + 1:02d}T08:00:00Z") for i in range(10)
    ]
    code, told = built(tmp_path, capsys, rows, '[split]\nby = "time"\n')
    assert code == 0, told
    assert [one.id for one in read_dataset(tmp_path / "out" / "test.jsonl")] == ["s9"]
    assert "2025-03" not in written(tmp_path / "out")


def test_ids_stay_apart_where_dates_move(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [session(i, "on 2022-01-03") | {"session_id": f"chat 2022-01-{i + 1:02d}"} for i in range(28)]
    (tmp_path / "key").write_text("")
    code, told = built(tmp_path, capsys, rows)
    text = (tmp_path / "r.toml").read_text().replace("[anonymize]", "[anonymize]\nshift_dates = true")
    (tmp_path / "r.toml").write_text(text)
    code, told = run(capsys, "data", "build", tmp_path / "r.toml", "--out", tmp_path / "out")
    assert code == 0, told
    found = rows_of(tmp_path / "out")
    assert len({one.id for one in found}) == len(found) > 5


def test_what_a_killed_build_left_ungated_goes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    left = tmp_path / "out" / ".unreleased.12345"
    left.mkdir(parents=True)
    (left / "train.jsonl").write_text("boss@corp-real.hu")
    assert built(tmp_path, capsys, [session(i, "x") for i in range(3)])[0] == 0
    assert not left.exists()


def test_two_builds_do_not_write_one_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from toolfinch.data.work import Work

    other = Work(tmp_path / "out" / ".work")
    code, told = built(tmp_path, capsys, [session(i, "x") for i in range(3)])
    assert code == 2 and "another build is writing there" in told
    other.remove()
    assert built(tmp_path, capsys, [session(i, "x") for i in range(3)])[0] == 0
