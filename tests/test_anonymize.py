"""Would break: something real is left in a conversation that was anonymized; JSON that is none any more; arguments
that no longer join their results; fakes that depend on the order of rows, on the process or on what else is there."""

from __future__ import annotations

import base64
import html
import json
import pickle
import random
import unicodedata
import urllib.parse
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from growth import TIMES, assert_grows_with_it
from toolfinch.data.anonymize import anonymize, walk
from toolfinch.data.anonymize.anonymize import Anonymizer, known, look, stage
from toolfinch.data.anonymize.entity import Entity, merge
from toolfinch.data.anonymize.gate import Gate
from toolfinch.data.stage import Changed, run
from toolfinch.example import Conversation, Mark
from toolfinch.message import Message, ToolCall, assistant, system, to_openai, tool, user
from toolfinch.tool import Tool, to_record

KEY = b"0123456789abcdef"
ANNA = Entity(
    "person",
    names=("Anna Kovács",),
    emails=("anna.kovacs@acme-widgets.io", "akovacs@mail.hu"),
    phones=("+36 30 123 4567",),
    handles=("@akovacs",),
)
ROSTER = (
    ANNA,
    Entity("person", names=("Will Mark",), handles=("will",)),
    Entity("person", names=("Jean-Luc O'Neil van den Berg",), emails=("jl.oneil+news@acme-widgets.io",)),
    Entity("person", names=("山田 太郎",)),
    Entity("person", names=("Ann Lee",), phones=("555-0199",)),
    Entity("organisation", names=("Acme Widgets Ltd.",), domains=("acme-widgets.io",)),
    Entity("organisation", names=("Shell",)),
    Entity("project", names=("Blue Falcon",), ids=("PRJ-1042", "anna-77123")),
)


def made(roster: Sequence[Entity] = ROSTER, **options: Any) -> Anonymizer:
    change = stage(KEY, roster, **options).decide({})
    assert isinstance(change, Anonymizer)
    return change


@pytest.fixture(scope="module")
def change() -> Anonymizer:
    return made()


def after(change: Anonymizer, one: Conversation) -> Conversation:
    result = change(one)
    return result.one if isinstance(result, Changed) else result


def row(one: Conversation) -> dict[str, Any]:
    return {
        "id": one.id,
        "tools": [to_record(tool) for tool in one.tools],
        "messages": [to_openai(message, arguments="object") for message in one.messages],
        "source": one.source,
        "tags": one.tags,
    }


def fake_of(change: Anonymizer, text: str) -> str:
    return change.replacer.text(text)


def test_a_persona_fits_together(change: Anonymizer) -> None:
    given_, family = fake_of(change, "Anna Kovács").split(" ")
    assert given_.istitle()
    assert family.istitle()
    lower = f"{given_} {family}".lower()
    g, f = lower.split()
    for real, expected in {
        "Anna": given_,
        "Kovacs": family,
        "KOVÁCS, Anna": f"{family.upper()}, {given_}",
        "anna kovacs": lower,
        "Anna\n  Kovács": f"{given_}\n  {family}",
        "anna-kovacs": f"{g}-{f}",
        "anna_kovacs_cv.pdf": f"{g}_{f}_cv.pdf",
        "AnnaKovacs": f"{given_}{family}"[:0] + (given_ + f),
        "annakovacs": g + f,
        "akovacs": g[0] + f,
        "A. Kovács": f"A. {family}",
        "Kova\u0301cs": family,
        "ＡＮＮＡ": given_.upper(),
        "Anna's": f"{given_}'s",
    }.items():
        if real == "AnnaKovacs":
            assert fake_of(change, real).lower() == g + f
        else:
            assert fake_of(change, real) == expected, real
    mail, other = (fake_of(change, text) for text in ANNA.emails)
    assert mail.split("@")[0] == f"{g}.{f}"
    assert other.split("@")[0] == g[0] + f
    assert mail != other
    assert mail.endswith((".test", ".example", ".invalid"))
    assert fake_of(change, "https://acme-widgets.io/x") == f"https://{mail.split('@')[1]}/x"
    assert fake_of(change, "ANNA.KOVACS@ACME-WIDGETS.IO") == mail.upper()


def test_numbers_keep_their_form(change: Anonymizer) -> None:
    phone = fake_of(change, "+36 30 123 4567")
    assert phone.startswith("+36 ")
    assert phone[-8:-4] == "555 "
    digits = "".join(c for c in phone if c.isdigit())
    for written in ("+36301234567", "0036-30-123-4567", "06 30 123-4567", "(30) 123 4567"):
        new = fake_of(change, written)
        assert "".join(c for c in new if c.isdigit())[-9:] == digits[-9:], written
        assert [c for c in new if not c.isdigit()] == [c for c in written if not c.isdigit()]
    id = fake_of(change, "PRJ-1042")
    assert id.startswith("PRJ-")
    assert len(id) == 8
    assert id != "PRJ-1042"
    assert fake_of(change, "prj_1042 PRJ1042") == f"prj_{id[4:]} PRJ{id[4:]}"
    assert "anna" not in fake_of(change, "anna-77123")


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "will you mark it? The annual report, ann. announced",
        "Will you? Mark it. Find a shell script.",
        "May be in April",
        "number 1042, 12301234567890",
        "blue falcons",
        "berghain, vandal, oneiric",
        "\ud800 x",
        '{"a": 1.50, "b":  [ ], "c": "\\u00e1"}',
        "%zz &x; \\q =",
        "leave this: SGVsbG8gd29ybGQ= and deadbeefdeadbeef",
    ],
)
def test_what_names_nobody_stays_byte_for_byte(change: Anonymizer, text: str) -> None:
    assert change.replacer.text(text) == text


def test_words_that_are_names_are_replaced_where_they_are_names(change: Anonymizer) -> None:
    for text in ("ask Will Mark", "I met Will today", '{"assignee": "will"}', "will_mark.txt", "@will"):
        assert change.replacer.text(text) != text, text
    assert change.replacer.text("we went to Shell") != "we went to Shell"


def test_the_longest_wins_and_a_name_in_an_address_in_an_address(change: Anonymizer) -> None:
    new = change.replacer.text(
        "https://acme-widgets.io/a?to=anna.kovacs%40acme-widgets.io&n=Anna%20Kov%C3%A1cs"
    )
    host = fake_of(change, "acme-widgets.io")
    name = fake_of(change, "Anna Kovács").split()
    mail = f"{name[0]}.{name[1]}".lower()
    assert new == f"https://{host}/a?to={mail}%40{host}&n={name[0]}%20{name[1]}"


def test_scripts_without_spaces(change: Anonymizer) -> None:
    for text in ("山田太郎さん", "山田 太郎"):
        assert "山田" not in change.replacer.text(text)
        assert "太郎" not in change.replacer.text(text)


FIND = Tool(
    "will",
    "Finds what Anna Kovács asked for",
    {
        "type": "object",
        "properties": {
            "anna": {"type": "string", "description": "As Anna Kovács says"},
            "who": {"enum": ["anna", "bob"], "type": "string"},
            "any": {"anyOf": [{"const": "Anna"}, {"type": "integer"}]},
            "list": {"type": "array", "items": {"enum": ["anna"]}},
            "free": {"type": "object", "additionalProperties": True, "properties": {}},
        },
    },
    risk="read",
)


def session(id: str = "s-Anna") -> Conversation:
    arguments = {
        "anna": "anna",
        "who": "anna",
        "any": "Anna",
        "list": ["anna"],
        "free": {"Anna": [36301234567, 36301234567.0, 1.5, True, None, "Anna"]},
    }
    return Conversation(
        id,
        (FIND,),
        (
            system("You help Anna Kovács."),
            user("Mail anna.kovacs@acme-widgets.io about PRJ-1042"),
            assistant("", ToolCall("will", arguments, "call-Anna")),
            tool(
                json.dumps({"owner": "Anna Kovács", "phone": 36301234567, "id": "PRJ-1042"}),
                "call-Anna",
                "will",
            ),
            assistant("Done, Anna."),
        ),
        source="logs/anna_kovacs.jsonl:3",
        tags=("Anna",),
        marks={2: Mark(accept=({"anna": ("Anna Kovács",), "who": ("anna",)},))},
        time="2025-01-01T00:00:00Z",
    )


def test_a_whole_conversation(change: Anonymizer) -> None:
    before = session()
    new = after(change, before)
    call, result = new.messages[2].calls[0], new.messages[3].result
    g = fake_of(change, "Anna").lower()
    assert call.name == "will"
    assert call.arguments["who"] == "anna", "a value of an enum"
    assert call.arguments["any"] == "Anna", "a constant"
    assert call.arguments["list"] == ["anna"]
    assert call.arguments["anna"] == g, "a property's name stays, its value does not"
    ((key, inside),) = call.arguments["free"].items()
    assert key == g.title()
    assert [type(one) for one in inside] == [int, float, float, bool, type(None), str]
    assert inside[0] == inside[1] != 36301234567
    assert result is not None
    said = json.loads(result.content)
    assert said["phone"] == inside[0], "an argument joins the result"
    assert said["id"] in new.messages[1].content
    assert result.call_id == call.id != "call-Anna"
    assert result.content.startswith('{"owner": "'), "as spaced as before"
    assert new.time == before.time, "to split by; the build does not write it"
    for text in (new.id, new.source, *new.tags, new.tools[0].description, new.messages[0].content):
        assert "anna" not in text.lower()
    assert new.tools[0].name == "will"
    assert set(new.tools[0].parameters["properties"]) == set(FIND.parameters["properties"])
    assert new.tools[0].parameters["properties"]["who"] == FIND.parameters["properties"]["who"]
    assert new.marks[2].accept[0]["who"] == ("anna",)
    assert new.marks[2].accept[0]["anna"][0] != "Anna Kovács"
    assert not Gate(known({}, ROSTER), KEY).check(row(new))


def test_every_text_is_asked_for_that_is_mapped() -> None:
    """`walk.texts` and `walk.mapped` are two walks: what the first left out would be replaced by nothing."""
    deep = {
        "q": [1, 2.5, True, None, {"in": "x", "fixed": "none", "free": {"a": ["b"]}}],
        "fixed": "none",
        "n": 7,
    }
    schema = {
        "type": "object",
        "properties": {
            "fixed": {"enum": ["none", 7]},
            "n": {"const": 7},
            "q": {
                "items": {
                    "properties": {"fixed": {"enum": ["none"]}},
                    "additionalProperties": {"type": "object"},
                }
            },
        },
    }
    one = msgspec.structs.replace(
        session(),
        messages=(*session().messages, assistant("", ToolCall("deep", deep, "c9")), tool("said", "c9")),
    )
    marks = {len(one.messages) - 2: Mark(scenario="s", accept=({"fixed": ("none", "other"), "n": (7, 8)},))}
    one = msgspec.structs.replace(one, marks={**one.marks, **marks})
    for shapes in ({}, walk.shapes([Tool("deep", "", schema)])):
        asked: list[tuple[str, str]] = []

        def of(key: str, text: str, asked: list[tuple[str, str]] = asked) -> str:
            asked.append((key, text))
            return text

        assert walk.mapped(one, of, shapes) == one
        assert sorted(walk.texts(one, shapes)) == sorted(asked)
        assert ("q", "2.5") in asked


def test_what_was_done_is_counted_and_nothing_done_is_nothing_changed(change: Anonymizer) -> None:
    result = change(session())
    assert isinstance(result, Changed)
    assert result.did["person replaced"] > 3
    quiet = Conversation("q", (), (user("hello"), assistant("hi")))
    assert change(quiet) is quiet
    assert made(())(quiet) is quiet, "an empty roster"


def test_nothing_depends_on_the_order_of_rows_or_on_the_process() -> None:
    texts = [
        "call bob.smith@zed.com",
        "ring +44 20 7946 0958",
        "bob_smith did it",
        "card 4111 1111 1111 1111",
    ]
    rows = [Conversation(f"c{i}", (), (user(text), tool(text))) for i, text in enumerate(texts)]
    first, _ = run(stage(KEY, ROSTER), rows)
    second, _ = run(stage(KEY, ROSTER[::-1]), rows[::-1])
    assert first == second[::-1]
    again = run(stage(KEY, ROSTER), rows)[0]
    assert again == first
    other, _ = run(stage(b"another key, 16B", ROSTER), rows)
    assert other != first
    step = stage(KEY, ROSTER)
    assert step.look is not None
    facts = {one.id: step.look(one) for one in rows}
    moved = pickle.loads(pickle.dumps((step, step.decide(facts))))
    assert [after(moved[1], one) for one in rows] == first
    assert moved[0].look(rows[0]) == facts["c0"]


def test_a_secret_and_what_a_scanner_would_take_for_one_go(change: Anonymizer) -> None:
    pem = (
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA"
        + "a1B2c3d4" * 40
        + "\n-----END RSA PRIVATE KEY-----"
    )
    secrets = ["ghp_" + "a1B2" * 9, "AKIAIOSFODNN7REALKEY", pem, "postgres://joe:s3cretPw0rd@db.corp.com/x"]
    one = Conversation(
        "c",
        (),
        (
            *(user(text) for text in secrets),
            tool(
                json.dumps(
                    {"key": secrets[0], "pem": pem, "b": base64.b64encode(secrets[0].encode()).decode()}
                )
            ),
            user("https://x.com/?api_key=Zk39fkeLq02mPx81"),
        ),
    )
    (new,), _ = run(stage(KEY, ()), [one])
    facts = {"c": look(one)}
    assert not Gate(known(facts, ()), KEY).check(row(new))
    whole = json.dumps(row(new))
    for secret in ("a1B2a1B2", "REALKEY", "s3cretPw0rd", "Zk39fkeLq02mPx81"):
        assert secret not in whole
    json.loads(new.messages[4].content)


@pytest.mark.parametrize("text", ["x=DER&y=SMITH", "a=FF b=FF c=%FF &d=%FF", "password=DE89 q=CAFE=CAFE"])
def test_what_only_looks_encoded_passes_the_gate(change: Anonymizer, text: str) -> None:
    assert not Gate((), KEY).check(change.replacer.text(text))


def test_what_is_allowed_stays() -> None:
    text = "ask Anna about PRJ-1042"
    new = made(allow=frozenset(["anna"])).replacer.text(text)
    assert "Anna" in new
    assert "PRJ-1042" not in new


ENCODINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "upper": str.upper,
    "NFD": lambda t: unicodedata.normalize("NFD", t),
    "JSON": lambda t: json.dumps({"a": [1, {"k": t}]}),
    "compact JSON": lambda t: json.dumps({"a": [1, {"k": t}]}, separators=(",", ":"), ensure_ascii=False),
    "JSON in JSON": lambda t: json.dumps({"a": json.dumps({"b": json.dumps([t])})}),
    "a key": lambda t: json.dumps({t: 1}),
    "percent": urllib.parse.quote,
    "percent, with +": urllib.parse.quote_plus,
    "percent twice": lambda t: urllib.parse.quote(urllib.parse.quote(t)),
    "HTML": lambda t: html.escape(t).encode("ascii", "xmlcharrefreplace").decode(),
    "escapes": lambda t: t.encode("unicode_escape").decode(),
    "base64": lambda t: base64.b64encode(t.encode()).decode(),
    "base64 for URLs": lambda t: base64.urlsafe_b64encode(t.encode()).decode().rstrip("="),
    "hex": lambda t: t.encode().hex(),
}
ALPHABET = "abcdefghijklmnoprstuvzáéöüőçñšžłøß"
WORD = st.text(st.sampled_from(ALPHABET), min_size=3, max_size=9).map(str.title)
PERSON = st.tuples(WORD, WORD).map(" ".join)
ENTITY = st.builds(
    lambda name, domain, phone, number: Entity(
        "person",
        names=(name,),
        emails=(f"{_plain(name).replace(' ', '.')}@{_plain(domain)}.com",),
        phones=(f"+36 30 {phone:07d}",),
        handles=(_plain(name).replace(" ", "")[:12] + str(number),),
        ids=(f"ORD-{number:05d}",),
    ),
    PERSON,
    WORD,
    st.integers(1_000_000, 9_999_999),
    st.integers(10_000, 99_999),
)


def _plain(text: str) -> str:
    kept = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return kept if kept.replace(" ", "") else "x"


def shape(value: Any) -> Any:
    """The structure and types of a decoded value, of what is JSON in texts, too."""
    if isinstance(value, dict):
        return [shape(inner) for inner in value.values()]
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    if isinstance(value, str) and value[:1] in ("{", "["):
        return ["JSON", shape(json.loads(value))]
    return type(value)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(ENTITY, min_size=1, max_size=4), st.data())
def test_nothing_known_is_left_in_any_encoding(entities: list[Entity], data: st.DataObject) -> None:
    tokens = known({}, entities)
    gate = Gate(tokens, KEY)
    change = anonymize.anonymizer(KEY, merge(entities), tokens, frozenset(), False)
    for token in tokens:
        name = data.draw(st.sampled_from(sorted(ENCODINGS)))
        other = data.draw(st.sampled_from(sorted(ENCODINGS)))
        text = ENCODINGS[other](f"x {ENCODINGS[name](f'see {token.text}, ok')} y")
        new = change.replacer.text(text)
        assert not gate.check(new), (name, other)
        assert change.replacer.text(text) == new
        if "JSON" in other or other == "a key":
            assert shape(json.loads(new)) == shape(json.loads(text))


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(ENTITY, min_size=2, max_size=6), st.randoms(use_true_random=False))
def test_joins_hold_and_no_two_become_one(entities: list[Entity], draw: random.Random) -> None:
    rows = []
    for i, entity in enumerate(entities):
        arguments = {
            "to": entity.emails[0],
            "id": entity.ids[0],
            "n": int(entity.phones[0].replace(" ", "")[1:]),
        }
        rows.append(
            Conversation(
                f"c{i}",
                (),
                (
                    user(f"{entity.names[0]} {entity.emails[0]}"),
                    Message("assistant", "", (ToolCall("t", arguments, "1"),)),
                    tool(json.dumps({**arguments, "name": entity.names[0]}), "1", "t"),
                ),
            )
        )
    out, _ = run(stage(KEY, entities), rows)
    shuffled = rows[:]
    draw.shuffle(shuffled)
    assert sorted(run(stage(KEY, entities), shuffled)[0], key=lambda c: c.id) == sorted(
        out, key=lambda c: c.id
    )
    mails: dict[str, str] = {}
    for before, new in zip(rows, out, strict=True):
        call, result = new.messages[1].calls[0], new.messages[2].result
        assert result is not None
        said = json.loads(result.content)
        assert {key: said[key] for key in call.arguments} == call.arguments
        assert isinstance(call.arguments["n"], int)
        assert new.messages[0].content == f"{said['name']} {said['to']}"
        mails[before.messages[1].calls[0].arguments["to"]] = call.arguments["to"]
    assert len(set(mails.values())) == len(mails)
    assert not set(mails) & set(mails.values())


def test_a_megabyte_takes_time_that_grows_with_it(change: Anonymizer) -> None:
    for text in (
        "Anna Kovács " * 30_000,
        "anna" * 100_000,
        "\\u0041" * 60_000,
        "%41" * 100_000,
        "1 " * 200_000,
        "a@" * 200_000,
        "QUFB" * 100_000,
        "&amp;" * 60_000,
        "\\" * 400_000,
        "://" * 100_000,
    ):
        part = text[: len(text) // TIMES]
        for what in (change.replacer.text, lambda t: look(Conversation("c", (), (user(t),)))):
            assert_grows_with_it(lambda w=what, p=part: w(p), lambda w=what, t=text: w(t), text[:12])  # type: ignore[misc]
