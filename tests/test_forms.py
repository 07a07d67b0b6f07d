"""Would break: a real token that is written in another way than in the roster is not found; an innocent text is taken
for one; a place that is found is not where it stands."""

from __future__ import annotations

import pickle
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolfinch.data.anonymize.fold import bare, normal, origins
from toolfinch.data.anonymize.forms import aliases
from toolfinch.data.anonymize.known import KINDS, Known, marked
from toolfinch.data.anonymize.spellings import Spellings, read_allowed
from toolfinch.errors import DataError

ANNA = Known("Anna Kovács", "person")
WILL = Known("Will Young", "person")
MAY = Known("May Lincoln", "person")
PEOPLE = [
    ANNA,
    WILL,
    MAY,
    Known("Dr. Jan van der Berg", "person"),
    Known("Müller, Jürgen", "person"),
    Known("Mary-Jane O'Brien", "person"),
    Known("Al Lin", "person"),
    Known("Grace Mark", "person"),
    Known("Stan Derwent", "person"),
    Known("王伟", "person"),
    Known("김민준", "person"),
    Known("Анна Ковальчук", "person"),
]
OTHERS = [
    Known("anna.kovacs@acme-widgets.io", "e-mail"),
    Known("will@acme-widgets.io", "e-mail"),
    Known("zk77+news@mail.hu", "e-mail"),
    Known("+36 30 123 4567", "phone"),
    Known("(212) 736-5000", "phone"),
    Known("06 20 765 4321", "phone"),
    Known("07700 918273", "phone"),
    Known("@kovacsa_dev", "handle"),
    Known("@rose", "handle"),
    Known("Acme Widgets GmbH", "organisation"),
    Known("Target Corp.", "organisation"),
    Known("Blue Falcon", "project"),
    Known("PRJ-1042", "id"),
    Known("48213977", "id"),
    Known("https://wiki.acme-widgets.io/people/17?x=1", "URL"),
    Known("10.20.3.44", "IP address"),
    Known("2a02:6b8::2:242", "IP address"),
    Known("4111 1111 1111 1111", "card number"),
    Known("HU42 1177 3016 1111 1018 0000 0000", "IBAN"),
    Known("sk-proj-abcDEF0123456789ghij", "secret"),
    Known("1985-03-07", "date"),
]
ALL = Spellings(PEOPLE + OTHERS)


def kinds(text: str) -> set[str]:
    return {one.known.kind for one in ALL.find(text)}


CAUGHT = [
    ("person", "please ask Anna Kovács about it"),
    ("person", "ANNA KOVÁCS"),
    ("person", "anna kovacs"),
    ("person", "Kovács, Anna"),
    ("person", "Kovacs  Anna"),
    ("person", "Anna | Kovacs"),
    ("person", "Anna\n      Kovacs"),
    ("person", unicodedata.normalize("NFD", "Anna Kovács")),
    ("person", "Ａｎｎａ　Ｋｏｖａ́ｃｓ"),
    ("person", "An\u00adna Kov\u200bács"),
    ("person", "anna-kovacs"),
    ("person", "anna_kovacs_v2"),
    ("person", "/home/annakovacs/x"),
    ("person", "kovacsanna1985"),
    ("person", "annaKovacsReport"),
    ("person", "reportannakovacsfinal"),
    ("person", "A.n.n.a K.o.v.a.c.s"),
    ("person", "akovacs"),
    ("person", "user:kovacsa"),
    ("person", "only Anna knows"),
    ("person", "Kovács's order"),
    ("person", "kovacs85"),
    ("person", "anna85"),
    ("person", "anna_1985.txt"),
    ("person", "A. Kovács"),
    ("person", "for Will please"),
    ("person", "Will's order"),
    ("person", "Will said no"),
    ("person", "Will, can you come?"),
    ("person", "Will Young came"),
    ("person", "WILL YOUNG CAME"),
    ("person", "will-young"),
    ("person", "willyoung"),
    ("person", "w.young"),
    ("person", "will_y"),
    ("person", "Will"),
    ("person", 'the "Will" there'),
    ("person", "ask May about it"),
    ("person", '{"assignee": "will", "x": 1}'),
    ("person", '{\\"user_name\\":\\"may\\"}'),
    ("person", "owner: mark\n"),
    ("handle", '"handle": "rose"'),
    ("person", "Mr. van der Berg"),
    ("person", "Jan van der Berg"),
    ("person", "vanderberg"),
    ("person", "Berg, J."),
    ("person", "Jürgen Müller"),
    ("person", "Juergen Mueller"),
    ("person", "JURGEN MULLER"),
    ("person", "mueller@x"),
    ("person", "Mrs OBrien"),
    ("person", "o'brien"),
    ("person", "O’Brien"),
    ("person", "Mary Jane"),
    ("person", "I met Al there"),
    ("person", "al-lin"),
    ("person", "请联系王伟先生"),
    ("person", "김민준에게"),
    ("person", "АННА КОВАЛЬЧУК"),
    ("e-mail", "anna.kovacs@acme-widgets.io"),
    ("e-mail", "Anna.Kovacs@ACME-Widgets.IO."),
    ("e-mail", "<mailto:anna.kovacs@acme-widgets.io>"),
    ("e-mail", "anna.kovacs [at] acme-widgets [dot] io"),
    ("e-mail", "anna kovacs at acme-widgets dot io"),
    ("e-mail", "will@acme-widgets.io"),
    ("e-mail", "zk77@mail.hu"),
    ("e-mail", "login zk77"),
    ("phone", "+36 30 123 4567"),
    ("phone", "+36-30-123-4567"),
    ("phone", "0036301234567"),
    ("phone", "36301234567"),
    ("phone", "36301234567.0"),
    ("phone", "06 30/123-4567"),
    ("phone", "+36 (0)30 123 4567"),
    ("phone", "30.123.4567"),
    ("phone", "tel:+36301234567;x=1"),
    ("phone", "+٣٦ ٣٠ ١٢٣ ٤٥٦٧"),
    ("phone", "212-736-5000"),
    ("phone", "+1 212 736 5000"),
    ("phone", "2127365000"),
    ("phone", "12127365000"),
    ("phone", "+36 20 765 4321"),
    ("phone", "36207654321"),
    ("phone", "+447700918273"),
    ("phone", "00447700918273"),
    ("phone", "36_30_123_4567"),
    ("handle", "@kovacsa_dev"),
    ("handle", "github kovacsa-dev"),
    ("handle", "cc @rose, please"),
    ("organisation", "at Acme Widgets GmbH"),
    ("organisation", "acme widgets"),
    ("organisation", "acmewidgets.com"),
    ("organisation", "ACME_WIDGETS"),
    ("organisation", "I work at Target now"),
    ("organisation", "Target Corp"),
    ("project", "blue-falcon"),
    ("project", "BlueFalcon"),
    ("project", "The Blue Falcon plan"),
    ("id", "PRJ-1042"),
    ("id", "prj 1042"),
    ("id", "prj_1042.txt"),
    ("id", "#PRJ1042"),
    ("id", "48213977"),
    ("id", "48213977.0"),
    ("id", "48-213-977"),
    ("URL", "wiki.acme-widgets.io"),
    ("URL", "http://wiki.acme-widgets.io/other"),
    ("URL", "wiki-acme-widgets-io"),
    ("IP address", "10.20.3.44:8080"),
    ("IP address", "ip-10-20-3-44"),
    ("IP address", "[2a02:6b8::2:242]"),
    ("IP address", "2A02:06B8:0000:0000:0000:0000:0002:0242"),
    ("card number", "4111111111111111"),
    ("card number", "4111-1111-1111-1111"),
    ("IBAN", "HU42117730161111101800000000"),
    ("IBAN", "hu42 1177 3016 1111 1018 0000 0000"),
    ("secret", "key=sk-proj-abcDEF0123456789ghij&x"),
    ("date", "1985-03-07"),
    ("date", "1985-03-07T10:00:00Z"),
    ("date", "07.03.1985"),
    ("date", "3/7/1985"),
    ("date", "7 March 1985"),
    ("date", "March 7th, 1985"),
    ("date", "19850307"),
]


@pytest.mark.parametrize(("kind", "text"), CAUGHT)
def test_caught(kind: str, text: str) -> None:
    assert kind in kinds(text), aliases_of(kind)


def aliases_of(kind: str) -> list[str]:
    return [alias.key for one in PEOPLE + OTHERS if one.kind == kind for alias in aliases(one)]


def test_every_kind_is_in_the_table() -> None:
    assert {kind for kind, _ in CAUGHT} == set(KINDS)


INNOCENT = [
    "Will you mark it?",
    "Mark the task as done.",
    "Grace under pressure; in her good graces",
    "I will. WILL YOU?",
    "annual report, banana, Hannah, Annapolis, Johanna",
    "kovac, Kovacsics, kovacic",
    "in March",
    "rose by 3 %",
    "The rose garden. Rose bushes grow. @roses",
    "May I come in May? On May 5, 5 May 2024, until May, this May",
    "in Lincoln, near Lincoln",
    "The young will come early. Young people come. Will young people come?",
    "all in one, al dente, ALL INCLUSIVE",
    "Al dente pasta",
    "bergamot, iceberg, icebergs, Bergen",
    "stand up, Stand here, derwents",
    "mullers, muell",
    "o brie n",
    "acme new widgets; widgets of acme",
    "target the market, on target",
    "A blue one; falcon. falcon blue",
    "x-ray, w-young, e-mail",
    "4567, 1234567, 123-4567",
    "12301234567, 3012345678, 136301234567",
    "0.301234567, 99.301234567",
    "30, 12, 34, 56, 7",
    "[30, 123, 4567]",
    "PRJ-10421, PRJ-104, XPRJ-1042, prj1042a",
    "148213977, 482139770, 0.48213977, 48213977.52",
    "10.20.3.4, 110.20.3.44, 10.20.3.44.5, 10.20.3.441, 102.03.44, 1020344",
    "4111 1111 1111 1112",
    "1985-03-08, 2985-03-07, 1985-03-071, 1985-3",
    "5f1985e03a07, 1985030",
    "da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "3f2b8c1a-4d5e-4f60-8a9b-0c1d2e3f4a5b",
    "xAnna3, 7Anna9, anna1x, anna12345, mark5, rose42",
    "wiki.acme.io, acmewidget",
    "kovac@acme.io, nova.kovac@widgets.ion",
    "zk777, azk77, zk 7 7",
    "will@other.io",
    "sk-proj-abcDEF0123456789ghi",
    "2a02:6b8::2:243",
    "市民王先生伟大",
    "Ковальчукова, Аннапурна",
    "Well, that's it. Grand total. Right, thanks.",
    "Mark as read. Grace period. Will do.",
    '{"action": "mark", "month": "may", "color": "rose", "assignee": "nobody will"}',
    "the user will, the owner may\nnot",
    "Mark: done. - Mark it\n* Will call",
    "Target audience: young people",
]


@pytest.mark.parametrize("text", INNOCENT)
def test_innocent(text: str) -> None:
    assert [(text[one.begin : one.end], one.alias.form, one.known.text) for one in ALL.find(text)] == []


def test_a_key_may_say_that_a_common_word_names_someone() -> None:
    assert [one[:2] for one in ALL.find("will", "assignee")] == [(0, 4)]
    assert ALL.find("will", "action") == ALL.find("will be", "assignee") == []


@pytest.mark.parametrize(
    ("text", "token"),
    [
        ("x Anna Kovács y", "Anna Kovács"),
        (f"é {unicodedata.normalize('NFD', 'Anna Kovács')} ű", unicodedata.normalize("NFD", "Anna Kovács")),
        ("ﬁ ÀÉ An\u00adna-Kov\u200bács ß", "An\u00adna-Kov\u200bács"),
        ("ẞß 王伟 x", "王伟"),
        ("ff tel. +36 (0)30 1234567, so", "36 (0)30 1234567"),
    ],
)
def test_places_are_where_it_stands(text: str, token: str) -> None:
    assert token in {text[one.begin : one.end] for one in ALL.find(text)}


@given(st.text())
def test_each_folded_character_comes_from_its_own(text: str) -> None:
    folded, places = normal(text), origins(text).tolist()
    assert len(folded) == len(places) and places == sorted(places)
    for place, char in enumerate(text):
        assert normal(char) == "".join(folded[i] for i, origin in enumerate(places) if origin == place)


@given(st.text(), st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]))
def test_folding_does_not_see_unicode_forms(text: str, form: str) -> None:
    if "\u0345" not in text:  # the one mark whose case-folding is a letter
        assert bare(unicodedata.normalize(form, text)) == bare(text)


@given(st.text(), st.text())
def test_what_is_around_does_not_hide_a_token(before: str, behind: str) -> None:
    text = f"{before} Zsófia Szentgyörgyi {behind}"
    [known] = [Known("Zsófia Szentgyörgyi", "person")]
    assert len(before) + 1 in [one.begin for one in _ZSOFIA.find(text) if one.known == known]


_ZSOFIA = Spellings([Known("Zsófia Szentgyörgyi", "person")])


@pytest.mark.parametrize(
    "known", [Known("7", "id"), Known("1234", "id"), Known("The", "person"), Known("", "x")]
)
def test_what_cannot_be_told_from_other_text_is_said(known: Known) -> None:
    assert aliases(known) == ()
    assert Spellings([known]).blind == [known]


def test_it_does_not_depend_on_the_order() -> None:
    text = "Anna Kovács, akovacs, +36301234567"
    assert Spellings([*OTHERS[::-1], *PEOPLE[::-1]]).find(text) == ALL.find(text)


def test_it_can_be_pickled() -> None:
    again = pickle.loads(pickle.dumps(ALL))
    assert again.find("Anna Kovács") == ALL.find("Anna Kovács") != []


def test_allowed_words_and_marks(tmp_path: Path) -> None:
    path = tmp_path / "allow.txt"
    path.write_text(f"# reviewed\nAnna  # the product\nhmac:{marked(b'k', 'kovacs')}\n\n")
    some = Spellings([ANNA, WILL], read_allowed(path), b"k")
    assert some.find("kovacs and Anna") == []
    assert [one.alias.form for one in some.find("Anna Kovacs")] == ["full name"]
    assert Spellings([ANNA], frozenset(["anna kovacs"])).find("Anna, Anna Kovács") == []
    with pytest.raises(DataError, match="nowhere"):
        read_allowed(tmp_path / "nowhere")
