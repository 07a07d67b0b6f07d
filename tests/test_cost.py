"""Costs: a wrong price table is refused by name, and what was not measured is never free."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolfinch.errors import RecipeError
from toolfinch.evaluate.cost import Price, Prices, Usage, grid, per_call, read

TABLE = """
currency = "USD"
calls_a_day = [500, 10000]

[price."org/model-7b"]
prompt = 1
cached = 0.1
completion = 2.5

[price.hosted]
call = 0.01

[price.here]
hour = 0.5
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "prices.toml"
    path.write_text(text)
    return path


def test_the_docstring_and_the_docs_show_tables_that_are_read(tmp_path: Path) -> None:
    # An example that the reader refuses is worse than none.
    from toolfinch.evaluate import cost

    docs = (Path(__file__).parents[1] / "docs" / "cost.md").read_text()
    shown = re.findall(r"```toml\n(.*?)```", docs, re.DOTALL)
    assert shown
    indented = re.findall(r"^    (.*)$|^()$", cost.__doc__ or "", re.MULTILINE)
    for text in (*shown, "\n".join(line for line, _ in indented)):
        assert len(read(write(tmp_path, text)).price) == 3


def test_a_table_is_read(tmp_path: Path) -> None:
    assert read(write(tmp_path, TABLE)) == Prices(
        {
            "org/model-7b": Price(prompt=1.0, cached=0.1, completion=2.5),
            "hosted": Price(call=0.01),
            "here": Price(hour=0.5),
        },
        "USD",
        (500, 10000),
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "price: missing"),
        ("price = 3", "price: expected object, got int"),
        ("calls_per_day = [1]\n[price]", "calls_per_day: no such key"),
        ("calls_a_day = []\n[price]", "calls_a_day: expected array of length >= 1"),
        ("calls_a_day = [0]\n[price]", "calls_a_day[0]: expected int >= 1"),
        ("currency = 1\n[price]", "currency: expected str, got int"),
        ("[price]\na = 3", 'price."a": expected object, got int'),
        ("[price.a]\nhour = '1'", 'price."a": hour: expected float | null, got str'),
        ("[price.a]\nhour = true", 'price."a": hour: expected float | null, got bool'),
        ("[price.a]\nhour = -1", 'price."a": hour: expected float >= 0.0'),
        ("[price.a]\nhour = nan", 'price."a"'),
        ("[price.a]\nhour = inf", 'price."a": expected finite prices'),
        ("[price.a]\nhours = 1", 'price."a": hours: no such key'),
        ("[price.a]", "got nothing"),
        ("[price.a]\nprompt = 1", "got prompt"),
        ("[price.a]\nhour = 1\ncall = 1", "got call, hour"),
        ("[price.a]\ncall = 1\ncached = 1", "got cached, call"),
        ("[price.a\n", "not TOML"),
    ],
)
def test_a_wrong_table_names_the_file_and_the_key(tmp_path: Path, text: str, said: str) -> None:
    # A typing error that is passed over makes a sum that is wrong in silence.
    path = write(tmp_path, text)
    with pytest.raises(RecipeError) as raised:
        read(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_table_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(RecipeError, match=re.escape(f"{path}: no such file")):
            read(path)
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(RecipeError, match="not UTF-8"):
        read(binary)


def test_a_call_costs_what_its_price_says() -> None:
    tokens = Price(prompt=1.0, completion=2.5)
    assert per_call(tokens, 1000, 200, None) == pytest.approx(0.0015)
    assert per_call(Price(prompt=1.0, cached=0.1, completion=2.5), 1000, 200, None, 900) == pytest.approx(
        0.00069
    )
    assert per_call(tokens, 1000, 200, None, 900) == pytest.approx(0.0015)
    assert per_call(Price(call=0.01), None, None, None) == 0.01
    assert per_call(Price(hour=3.6), None, None, 2.0) == pytest.approx(0.002)
    assert per_call(Price(prompt=0.0, completion=0.0), 5, 0, None) == 0


@pytest.mark.parametrize(
    ("price", "used"),
    [
        (Price(prompt=1.0, completion=1.0), (None, None, 1.0)),
        (Price(prompt=1.0, completion=1.0), (0.0, 0.0, 1.0)),
        (Price(prompt=1.0, completion=1.0), (7.0, None, 1.0)),
        (Price(hour=1.0), (7.0, 7.0, None)),
    ],
)
def test_unknown_is_not_free(price: Price, used: tuple[float | None, float | None, float | None]) -> None:
    with pytest.raises(ValueError):
        per_call(price, *used)
    (row,) = grid(Prices({"it": price}), {"it": Usage(*used)}).rows
    assert row[2:-1] == ("–",) * 5
    assert re.match("no call was answered|the endpoint gave no token counts", row[-1])


def test_more_cached_than_there_is_costs_nothing_below_zero() -> None:
    """An endpoint that counts its cache apart would end an evaluation without its report."""
    used = Usage(10.0, 2.0, 1.0, cached_tokens=30.0)
    (row,) = grid(Prices({"it": Price(prompt=1.0, cached=0.1, completion=1.0)}), {"it": used}).rows
    assert row[2:] == ("–",) * 5 + ("the endpoint counted more cached tokens than tokens of the prompt",)


def test_the_sums_of_the_page() -> None:
    # 10,000 calls a day at 0.01 each are 3,000 a month, in the cells and in words.
    prices = Prices({"hosted": Price(call=0.01)}, "USD")
    made = grid(prices, {"hosted": Usage(None, None, 1.0), "other": Usage(10.0, 10.0, 1.0)})
    assert made.title == "Cost (USD)"
    assert all(len(row) == len(made.header) for row in made.rows)
    hosted, other = made.rows
    assert hosted == (
        "hosted",
        "0.01 a call",
        "0.01",
        "10",
        "300",
        "100",
        "3,000",
        "10,000 calls a day at 0.01 USD each are 100 USD a day, 3,000 USD a month of 30 days",
    )
    assert other[:3] == ("other", "–", "–")
    assert "no price" in other[-1]


def test_without_a_currency_no_word_is_doubled() -> None:
    made = grid(Prices({"a": Price(call=0.5)}, calls_a_day=(3,)), {"a": Usage(None, None, None)})
    assert made.title == "Cost"
    assert made.rows[0][-1] == "3 calls a day at 0.5 each are 1.50 a day, 45 a month of 30 days"


@given(st.floats(1e-9, 1e6), st.integers(1, 10**6))
def test_a_reader_who_multiplies_arrives_at_the_sum(each: float, calls: int) -> None:
    # A price rounded further than its sums would look like an error in the sums.
    (row,) = grid(Prices({"a": Price(call=each)}, calls_a_day=(calls,)), {"a": Usage(None, None, None)}).rows
    shown, day, month = (float(cell.replace(",", "")) for cell in row[2:5])
    assert "e" not in "".join(row[2:5])
    for total, days in ((day, 1), (month, 30)):
        assert total == pytest.approx(shown * calls * days, rel=0.006 if total < 1 else 0.00001, abs=0.51)
