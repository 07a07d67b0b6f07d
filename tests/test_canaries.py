"""Would break: something real in a log comes through the anonymizer and the gate, judged by a checker of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import canary_log
from encodings_of_text import ENCODINGS
from toolfinch import message
from toolfinch.data import stage
from toolfinch.data.anonymize import anonymize
from toolfinch.data.anonymize.entity import Entity
from toolfinch.data.anonymize.gate import Gate, released
from toolfinch.data.anonymize.known import Known
from toolfinch.data.build import build
from toolfinch.data.build_recipe import Anonymize, BuildRecipe
from toolfinch.data.dataset import to_row, write_dataset
from toolfinch.data.readers import log
from toolfinch.errors import GateError
from toolfinch.example import Conversation
from toolfinch.message import ToolCall

KEY = b"a key of the tests, 32 bytes long"
ROSTER = (
    *(Entity("person", (p.name,), (p.email,), (p.phone,), (p.handle,), (p.id,)) for p in canary_log.ROSTER),
    Entity("organisation", (canary_log.COMPANY,), domains=("vexilbrook.io",)),
    Entity("project", (canary_log.PROJECT,)),
)


@pytest.fixture(scope="module")
def conversations(tmp_path_factory: pytest.TempPathFactory) -> list[Conversation]:
    path = tmp_path_factory.mktemp("log") / "log.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in canary_log.log()))
    return list(log.conversations(path))


@pytest.fixture(scope="module")
def known(conversations: list[Conversation]) -> tuple[Known, ...]:
    return anonymize.known({one.id: anonymize.look(one) for one in conversations}, ROSTER)


def test_there_are_enough_canaries_in_enough_forms() -> None:
    raw = "\n".join(json.dumps(row, ensure_ascii=False) for row in canary_log.log())
    assert len(set(canary_log.survivors(raw.encode()))) >= 40 and len(canary_log.FORMS) >= 15


@pytest.mark.parametrize("name", canary_log.FORMS)
def test_the_checker_reads_each_form(name: str) -> None:
    person = canary_log.ROSTER[2]
    for text, what in ((person.name, "name"), (person.email, "e-mail"), (person.phone, "phone")):
        row = json.dumps({"a": [{"b": canary_log.FORMS[name](text)}]})
        assert f"person 2: {what}" in canary_log.survivors(row.encode()), name


def test_none_survives(conversations: list[Conversation], known: tuple[Known, ...], tmp_path: Path) -> None:
    changed, step = stage.run(anonymize.stage(KEY, ROSTER), conversations)
    assert step.rows_in == step.rows_out == len(canary_log.log())

    def write(folder: Path) -> list[Path]:
        write_dataset(folder / "train.jsonl", changed)
        (folder / "card.md").write_text(f"# Card\n\n{len(changed)} rows.\n")
        return [folder / "train.jsonl", folder / "card.md"]

    data, _ = released(tmp_path / "out", write, Gate(known, KEY))
    for number, line in enumerate(data.read_bytes().splitlines(), 1):
        assert canary_log.survivors(line) == {}, f"row {number}"


def test_without_the_anonymizer_the_gate_names_every_row(
    conversations: list[Conversation], known: tuple[Known, ...], tmp_path: Path
) -> None:
    gate = Gate(known, KEY)
    rows = [msgspec.to_builtins(to_row(one)) for one in conversations]
    assert [row["id"] for row in rows if not gate.check(row)] == []

    def write(folder: Path) -> list[Path]:
        write_dataset(folder / "train.jsonl", conversations)
        return [folder / "train.jsonl"]

    with pytest.raises(GateError, match=r"first in train\.jsonl, rows 1, 2, 3, 4, 5, …"):
        released(tmp_path / "out", write, gate)
    report = (tmp_path / "out" / "gate.md").read_bytes()
    assert canary_log.survivors(report) == {}
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["gate.md"]


@pytest.mark.parametrize("name", canary_log.FORMS)
def test_the_gate_alone_finds_each_form(name: str, known: tuple[Known, ...]) -> None:
    gate = Gate(known, KEY)
    for person in (*canary_log.ROSTER, *canary_log.LOGGED):
        for text in (person.name, person.email, person.phone):
            assert gate.check({"x": [canary_log.FORMS[name](text)]}), (name, text)


def test_none_survives_a_whole_build(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in canary_log.log()))
    (tmp_path / "key").write_bytes(KEY)
    (tmp_path / "roster.jsonl").write_bytes(
        b"".join(msgspec.json.encode(one) + b"\n" for one in _rows_of(ROSTER))
    )
    said = Anonymize(roster=str(tmp_path / "roster.jsonl"), key_file=str(tmp_path / "key"))
    out = tmp_path / "out"
    built = build(BuildRecipe(logs=(str(tmp_path / "log.jsonl"),), anonymize=said), out)
    assert built.files and (out / "card.md").is_file()
    for path in (path for path in out.rglob("*") if path.is_file()):
        for number, line in enumerate(path.read_bytes().splitlines(), 1):
            assert canary_log.survivors(line) == {}, f"{path.name}:{number}"
        assert canary_log.survivors(path.name.encode()) == {}


def _rows_of(roster: tuple[Entity, ...]) -> Iterator[dict[str, Any]]:
    for one in roster:
        row = msgspec.to_builtins(one)
        yield {key: value for key, value in row.items() if value}


_LETTERS = st.characters(codec="utf-8", categories=("Ll",), max_codepoint=0x24F)
_WORDS = st.text(_LETTERS, min_size=5, max_size=10).map(lambda text: f"zq{text}")  # of no language
_DIGITS = st.text("123456789", min_size=9, max_size=9)


@settings(max_examples=60, deadline=None)
@given(
    given_name=_WORDS,
    family=_WORDS,
    digits=_DIGITS,
    texts=st.lists(
        st.tuples(
            st.sampled_from(["name", "email", "phone"]),
            st.lists(st.sampled_from(sorted(ENCODINGS)), max_size=3),
        ),
        min_size=1,
        max_size=4,
    ),
)
def test_what_passes_the_gate_holds_nothing_real(
    given_name: str, family: str, digits: str, texts: list[tuple[str, list[str]]]
) -> None:
    real = {
        "name": f"{given_name.title()} {family.title()}",
        "email": f"{canary_log.bare(family)}.{digits[:3]}@kovax.hu",
        "phone": f"+36 {digits[:2]} {digits[2:5]} {digits[5:]}",
    }
    roster = (Entity("person", (real["name"],), (real["email"],), (real["phone"],)),)
    said = []
    for what, chain in texts:
        text = real[what]
        for name in chain:
            text = ENCODINGS[name](text)
        said.append(text)
    one = Conversation(
        said[0],
        (),
        (
            message.user(said[-1]),
            message.assistant("", ToolCall("f", {said[0]: said}, "c")),
            message.tool(said[-1], "c"),
        ),
        tags=tuple(said),
    )
    [changed], _ = stage.run(anonymize.stage(KEY, roster), [one])
    row = msgspec.to_builtins(to_row(changed))
    survivors = Gate(anonymize.known({one.id: anonymize.look(one)}, roster), KEY).check(row)
    wanted = {canary_log.bare(text): what for what, text in real.items()} | {
        canary_log.bare(family): "family"
    }
    if not survivors:
        assert canary_log.survivors(msgspec.json.encode(row), wanted) == {}
