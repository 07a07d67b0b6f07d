"""Would break: a fake that could be real or is somebody's, an id that no validator takes any more, a date that moves
to another day of the week, a pool that changed and with it every data set made before."""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
import re
import uuid
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolfinch.data.anonymize import detect, numbers
from toolfinch.data.anonymize.anonymize import known
from toolfinch.data.anonymize.dates import shifted
from toolfinch.data.anonymize.detect import iban_remainder, luhn, patterned
from toolfinch.data.anonymize.entity import Entity, same_phone
from toolfinch.data.anonymize.fold import bare
from toolfinch.data.anonymize.persona import Pseudonyms
from toolfinch.data.anonymize.words import keyed, pool

KEY = b"0123456789abcdef"
number = partial(keyed, KEY, "x")


def test_the_pools_are_as_they_were() -> None:
    frozen = {role: hashlib.sha256(" ".join(pool(role)).encode()).hexdigest()[:16] for role in POOLS}
    assert frozen == POOLS
    for role in POOLS:
        names = pool(role)
        assert len(set(names)) == len(names) >= 2000
        assert all(name.isascii() and name.islower() and name.isalpha() for name in names)


POOLS = {"given": "11ba3314f3128141", "family": "d962d4d2083a9365", "coined": "b35ada7a81e8c67d"}


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("PRJ-1042", r"PRJ-[1-9]\d{3}"),
        ("cus_9aB3xQ21", r"cus_\d[a-z][A-Z]\d[a-z][A-Z]\d\d"),
        ("ORD2024001", r"ORD[1-9]\d{6}"),
        ("48213", r"[1-9]\d{4}"),
        ("0042", r"\d{4}"),
        ("9f86d081884c7d65", r"[0-9a-f]{16}"),
        ("A7-x", r"[A-Z]\d-[a-z]"),
    ],
)
def test_ids_keep_prefix_length_and_case(text: str, form: str) -> None:
    fakes = {numbers.id(text, probe, number) for probe in range(20)}
    assert len(fakes) > 10
    for fake in fakes:
        assert re.fullmatch(form, fake), fake


def test_check_digits_hold() -> None:
    real = uuid.UUID("3f2b8c1e-9d4a-4b6f-8a1c-2e5d7f9b0a3c")
    for probe in range(30):
        fake = uuid.UUID(numbers.id(str(real), probe, number))
        assert (fake.version, fake.variant) == (real.version, real.variant)
        for card in ("4111 1111 1111 1111", "378282246310005"):
            made = numbers.card(card, probe, number)
            assert luhn(made) == 0
            assert made[:4] == card[:4]
            assert len(made) == len(card.replace(" ", ""))
        for iban in ("DE89 3704 0044 0532 0130 00", "GB82WEST12345698765432"):
            made = numbers.iban(iban, probe, number)
            assert iban_remainder(made) == 1
            assert made[:2] == iban[:2]
        assert luhn(numbers.id("490154203237518", probe, number)) == 0
        for ip in ("8.8.8.8", "2a00:1450:4001:81b::200e", "fe80::1"):
            address = ipaddress.ip_address(numbers.ip(ip, probe, number))
            assert address.version == ipaddress.ip_address(ip).version
            assert not address.is_global


@given(st.text(max_size=60), st.integers(0, 50))
def test_an_id_of_anything_is_as_long(text: str, probe: int) -> None:
    assert len(numbers.id(text, probe, number)) == len(text)


def test_fakes_are_nobodys_and_no_two_are_the_same() -> None:
    """As many people as make pools short of words, some of them named as the fakes are."""
    fakes = pool("given")[:200], pool("family")[:400]
    people = [
        Entity(
            "person",
            names=(f"{fakes[0][i % 200]} {fakes[1][i % 400]}",),
            emails=(f"x{i}@{pool('coined')[i]}.test",),
            phones=(f"+1 212 555 01{i % 100:02d}", f"+36 30 {i:07d}"),
            handles=(f"{pool('coined')[-i]}",),
            ids=(f"ORD-{i:05d}",),
        )
        for i in range(1000)
    ]
    tokens = known({}, people)
    made = Pseudonyms(KEY, people, tokens)
    real = {bare(token.text) for token in tokens}
    for kind in ("e-mail", "handle", "id"):
        some = [fake for token, fake in made._whole.items() if token.kind == kind]
        assert len({bare(fake) for fake in some}) == len(some)
        assert not real & {bare(fake) for fake in some}
    words = [made.words.fake(word) for name in fakes for word in name]
    assert len(set(words)) == len(words)
    assert not {*fakes[0], *fakes[1]} & set(words)
    again = Pseudonyms(KEY, people[::-1], tokens[::-1])
    assert again._whole == made._whole
    assert again._phones == made._phones


def test_a_number_for_stories_stays_among_them() -> None:
    """A schema may ask for `555-0123`; all hundred of them may be in a log, beside real ones."""
    lines = [f"555-01{i:02d}" for i in range(100)] + ["+1 212 555 0123", "658-3659", "555-4823"]
    people = [Entity("person", phones=(line,)) for line in lines]
    made = Pseudonyms(KEY, people, known({}, people))
    fakes = [made._phones[same_phone(line)] for line in lines]
    assert len(set(fakes)) == len(fakes)
    assert all(bare(line) != fake for line, fake in zip(lines, fakes, strict=True))
    assert all(re.fullmatch(r"55501\d\d", fake) for fake in fakes[:100])
    assert re.fullmatch(r"1255501\d\d", fakes[100])  # of its last nine digits
    assert fakes[102][:3] == "555" and len(fakes[101]) == len(fakes[102]) == 7
    few = Pseudonyms(KEY, people[:1], known({}, people[:1]))
    assert few._phones["5550100"] == made._phones["5550100"], "no other number changes it"


@pytest.mark.parametrize(
    ("text", "moved"),
    [
        ("2024-03-08", "2024-03-15"),
        ("2024-12-30T10:00:00Z", "2025-01-06T10:00:00Z"),
        ("20240308T101500", "20240315T101500"),
        ("on March 8th, 2019.", "on March 15th, 2019."),
        ("8 March 2019", "15 March 2019"),
        ("March 27", "April 3"),
        ("the 1st of May", "the 8th of May"),
        ("MAR 25", "APR 1"),
        ("8/13/2019 and 13/8/2019 and 3.8.2019", "8/20/2019 and 20/8/2019 and 10.8.2019"),
        ("3/8/2019", "3/8/2019"),
        ('{"from": "2024-02-26", "to":"2024-03-01"}', '{"from": "2024-03-04", "to":"2024-03-08"}'),
    ],
)
def test_a_date_moves_and_keeps_its_form(text: str, moved: str) -> None:
    assert shifted(text, 1) == moved
    if "/" not in text:  # 13/8 may become what could be two days
        assert shifted(shifted(text, 4), -4) == text


@pytest.mark.parametrize(
    "text",
    ["", "in March", "maybe 5 people come? 1.2.3", "10:30", "2024", "12-2024-03-08-1", "v2024.01", "+36 30 2024-03-0",
     "February 30", "2024-13-40", "5 marching bands", "1234/5/6", "99 December"],
)  # fmt: skip
def test_what_is_no_date_stays(text: str) -> None:
    assert shifted(text, 3) == text


@given(st.dates(datetime.date(1950, 1, 1), datetime.date(2080, 1, 1)), st.integers(-52, 52))
def test_the_day_of_the_week_stays(day: datetime.date, weeks: int) -> None:
    moved = datetime.date.fromisoformat(shifted(day.isoformat(), weeks))
    assert moved - day == datetime.timedelta(weeks=weeks)
    words = shifted(f"{day.day} {day:%B} {day.year}", weeks)
    assert words == f"{moved.day} {moved:%B} {moved.year}"


def found(text: str) -> dict[str, str]:
    return {text[one.begin : one.end]: one.kind for one in patterned(text)}


def test_where_it_stands_and_the_whole_of_it() -> None:
    text = "x <ann.o'neil+x@mail.example.co.uk>, (mailto:b_c@d.io) a=e-f@g.org? 203.0.113.77! fe80::1ff:fe23:4567:890a"
    assert found(text) == {
        "ann.o'neil+x@mail.example.co.uk": "e-mail",
        "b_c@d.io": "e-mail",
        "e-f@g.org": "e-mail",
        "203.0.113.77": "IP address",
        "fe80::1ff:fe23:4567:890a": "IP address",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://joe:pa55word@db.x.io/y", {("secret", "pa55word"), ("handle", "joe")}),
        ("see https://x.io/a?user_id=u-48213&q=cats&token=abcdef123456).", {("id", "u-48213"), ("secret", "abcdef123456")}),
        ("https://x.io/a?username=annak&page=2", {("handle", "annak")}),
        ("https://x.io/plain http://[::1 ://", set()),
    ],
)  # fmt: skip
def test_what_a_web_address_tells(text: str, expected: set[Any]) -> None:
    assert set(detect.in_urls(text)) == expected


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("+36 30 123 4567", True), ("(212) 456-7890", True), ("555-0126", True), ("0171 2345678", True),
     ("1234-5678", False), ("+999 1", False), ("12 345 678", False)],
)  # fmt: skip
def test_a_phone_is_proved(text: str, is_one: bool) -> None:
    assert detect.is_phone(text) is is_one


def test_a_model_may_add_names(tmp_path: Path) -> None:
    """A tiny model with random weights: it is opened from its folder alone, and what it says is read."""
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("torch")
    from tokenizers import Tokenizer, models, pre_tokenizers

    from toolfinch.data.anonymize import ner
    from toolfinch.errors import DataError

    with pytest.raises(DataError, match=r"config\.json"):
        ner.Names(tmp_path)
    words = Tokenizer(models.WordLevel({"[UNK]": 0, "[PAD]": 1, "Anna": 2}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=words, unk_token="[UNK]", pad_token="[PAD]", model_max_length=64
    )
    tokenizer.save_pretrained(tmp_path)
    config = transformers.BertConfig(
        vocab_size=3,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=8,
        id2label={0: "O", 1: "B-PER"},
        label2id={"O": 0, "B-PER": 1},
    )
    model = transformers.BertForTokenClassification(config)
    model.classifier.weight.data.zero_()
    model.classifier.bias.data[:] = model.classifier.bias.new_tensor([-9.0, 9.0])  # everything is a person
    model.save_pretrained(tmp_path)
    told = ner.Names(tmp_path).entities(["Anna met it", "", "x\nAnna"])
    assert Entity("person", names=("Anna",)) in told
    assert all(one.kind == "person" for one in told)
