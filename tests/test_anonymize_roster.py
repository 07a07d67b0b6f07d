"""Would break: somebody of the operator's directory is not known, two people become one, a wrong row passes in silence;
a restaurant becomes a person, or an assignee does not."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from toolfinch.data.anonymize.entity import Entity, merge, read_roster
from toolfinch.data.anonymize.harvest import in_value
from toolfinch.errors import DataError


def written(tmp_path: Path, name: str, text: str) -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


ANNA = Entity("person", names=("Anna Kovács",), emails=("anna@acme.io",), phones=("+36 30 123 4567",))
ACME = Entity("organisation", names=("Acme",), domains=("acme.io",))
ID = Entity("project", ids=("PRJ-1042",))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "a.json",
            '{"people": [{"name": "Anna Kovács", "email": "anna@acme.io", "phones": ["+36 30 123 4567"]}],'
            ' "organisations": [{"name": "Acme", "domain": "https://www.acme.io/"}], "ids": ["PRJ-1042"]}',
        ),
        (
            "a.jsonl",
            '{"name": "Anna Kovács", "email": "anna@acme.io", "phone": "+36 30 123 4567"}\n\n'
            '{"kind": "organisation", "names": ["Acme"], "domains": ["acme.io"]}\n{"kind": "project", "id": "PRJ-1042"}\n',
        ),
        (
            "a.csv",
            "\ufeffKind,Name,Email,Phone,Id,Domain\n,Anna Kovács,anna@acme.io,+36 30 123 4567,,\n"
            "organisation,Acme,,,,acme.io\n,,,,,\nproject,,,,PRJ-1042,\n",
        ),
        ("a.tsv", "kind\tname\temail\tphone\tdomain\tid\norganisation\tAcme\t\t\tacme.io\t\nproject\t\t\t\t\tPRJ-1042\n"
                  "person\tAnna Kovács\tanna@acme.io\t+36 30 123 4567\t\t\n"),
    ],
)  # fmt: skip
def test_a_roster_in_each_format(tmp_path: Path, name: str, text: str) -> None:
    assert read_roster(written(tmp_path, name, text)) == (ACME, ANNA, ID)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.json", '{"persons": []}', "persons: no such key"),
        ("a.json", '{"people": {}}', "people: expected a list"),
        ("a.json", '{"people": [{"name": "A B"}, {"nmae": "x"}]}', "people[1]: nmae: no such key"),
        ("a.json", '{"people": [{"name": true}]}', "people[0]: name: expected text"),
        ("a.json", '{"people": [{"email": "x"}]}', "an @ inside"),
        ("a.json", '{"people": [{"name": " "}]}', "says nothing"),
        ("a.json", "{", "not JSON"),
        ("a.jsonl", '{"name": "A B"}\n{', "row 2: not JSON"),
        ("a.jsonl", '{"kind": "dog", "name": "Rex"}', "row 1: kind: expected one of"),
        ("a.csv", "name,mail\nA,b@c.de\n", "row 1: mail: no such column"),
        ("a.csv", "name,email\nA B\n", "row 2: 1 cells, the header has 2"),
    ],
)
def test_what_is_wrong_is_one_line_that_names_the_place(
    tmp_path: Path, name: str, text: str, says: str
) -> None:
    path = written(tmp_path, name, text)
    with pytest.raises(DataError) as error:
        read_roster(path)
    assert says in str(error.value)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_no_roster_and_an_empty_one(tmp_path: Path) -> None:
    assert read_roster(written(tmp_path, "a.csv", "")) == ()
    with pytest.raises(DataError, match="No such file"):
        read_roster(tmp_path / "none.csv")


def test_those_that_share_something_are_one_in_any_order() -> None:
    rows = [
        Entity("person", names=("Anna Kovács",), emails=("A@x.io",)),
        Entity("person", emails=("a@x.io", "b@x.io")),
        Entity("person", emails=("b@x.io",), phones=("+36 30 123 4567",)),
        Entity("person", phones=("06-30-123-4567",), handles=("@anna",)),
        Entity("person", handles=("Anna",)),
        Entity("person", names=("anna kovacs",)),
        Entity("person", names=("Anna",)),
        Entity("person", names=("Anna Berg",)),
        Entity("organisation", names=("Anna Berg",)),
    ]
    whole = merge(rows)
    assert [len(one.emails) for one in whole] == [0, 0, 0, 3]
    assert whole[-1].names == ("Anna Kovács", "anna kovacs")
    for seed in range(10):
        random.Random(seed).shuffle(rows)
        assert merge(rows) == whole
    assert merge(whole) == whole


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"name": "Bella Napoli", "rating": 4}, set()),
        ({"name": "report.pdf", "owner": "Anna Kovács"}, {"Anna Kovács"}),
        ({"name": "Anna Kovács", "email": "a@x.io"}, {"Anna Kovács", "a@x.io"}),
        ({"name": "Anna", "phone": 36301234567}, {"Anna", "36301234567"}),
        ({"firstName": "Anna", "last_name": "Kovács"}, {"Anna Kovács"}),
        ({"Customer Name": "Anna Kovács"}, {"Anna Kovács"}),
        ({"assignee": "akovacs"}, {"akovacs"}),
        ({"assignee": "me"}, set()),
        ({"assignee": "unassigned"}, set()),
        ({"attendees": ["a@x.io", "Anna Kovács"]}, {"a@x.io", "Anna Kovács"}),
        ({"to": "Anna <a@x.io>, b@x.io", "from": "now"}, {"a@x.io", "b@x.io"}),
        ({"to": "Paris", "from": "London"}, set()),
        ({"username": "akovacs"}, {"akovacs"}),
        ({"phone": "12"}, set()),
        ({"a": [json.dumps({"b": json.dumps({"email": "a@x.io"})})]}, {"a@x.io"}),
        ({"company": "Acme Widgets"}, {"Acme Widgets"}),
        ("[" * 5000, set()),
        ('{"email": "a@x.io"', set()),
        ({"owner": "It is a long story about who owns this file, really, and nobody knows"}, set()),
        ({"email": None, "name": 3, "assignee": {"email": "a@x.io"}}, {"a@x.io"}),
    ],
)
def test_fields_that_say_so(value: Any, expected: set[str]) -> None:
    found: list[Entity] = []
    in_value(value, found)
    told = {text for one in found for text in (*one.names, *one.emails, *one.phones, *one.handles)}
    assert told == expected


def test_a_name_goes_with_the_address_beside_it_and_not_with_another() -> None:
    found: list[Entity] = []
    in_value([{"name": "Anna", "email": "a@x.io"}, {"name": "Bob", "email": "b@x.io"}], found)
    both = {one.names: one.emails for one in merge(found) if one.names}
    assert both == {("Anna",): ("a@x.io",), ("Bob",): ("b@x.io",)}
