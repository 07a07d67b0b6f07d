"""Copying is measured on the tokens that are copied, and on no others."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from toolfinch.example import Conversation, examples
from toolfinch.message import Message, ToolCall
from toolfinch.models import base_folder
from toolfinch.tool import Tool
from toolfinch.train.copying import NAME, VALUE, copy_rows, copying
from toolfinch.train.render import Renderer, renderer_for

BOOK = Tool(
    "book_table",
    "Book a table.",
    {
        "type": "object",
        "properties": {"place": {"type": "string"}, "n": {"type": "integer"}, "day": {"type": "string"}},
    },
)


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return renderer_for(str(base_folder("fledgling")), "hermes")


def rows(renderer: Renderer, said: str, **arguments: object) -> list[tuple[str, int]]:
    turns = (Message("user", said), Message("assistant", "", (ToolCall("book_table", dict(arguments)),)))
    (row,) = copy_rows(examples(Conversation("c", (BOOK,), turns)), renderer)
    return [(renderer.tokenizer.decode([i]), kind) for i, kind in zip(row.ids, row.copies, strict=True)]


def text(tokens: list[tuple[str, int]], kind: int) -> str:
    return "".join(token for token, copies in tokens if copies == kind)


def test_names_and_values_that_stand_in_the_prompt_are_marked(renderer: Renderer) -> None:
    tokens = rows(renderer, "a table at Kelpoth Bar for 4", place="Kelpoth Bar", n=4)
    assert text(tokens, NAME) == "book_table"
    assert text(tokens, VALUE) == "Kelpoth Bar"


@pytest.mark.parametrize("day", ["2025-03-01", "4"])
def test_what_is_not_copied_or_too_short_is_not_marked(renderer: Renderer, day: str) -> None:
    tokens = rows(renderer, "a table for 4 the day after tomorrow", day=day)
    assert text(tokens, VALUE) == ""


def test_words_are_no_rows(renderer: Renderer) -> None:
    turns = (Message("user", "hello"), Message("assistant", "Hello book_table!"))
    assert copy_rows(examples(Conversation("c", (BOOK,), turns)), renderer) == []


def test_the_packaged_base_copies_and_a_random_one_does_not(renderer: Renderer, tmp_path: Path) -> None:
    from transformers import AutoConfig, AutoModelForCausalLM

    turns = (
        Message("user", "a table at Kelpoth Bar for 4"),
        Message("assistant", "", (ToolCall("book_table", {"place": "Kelpoth Bar", "n": 4}),)),
    )
    found = copy_rows(examples(Conversation("c", (BOOK,), turns)), renderer)
    packaged = AutoModelForCausalLM.from_pretrained(base_folder("fledgling"), dtype=torch.float32)
    torch.manual_seed(0)
    random = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(base_folder("fledgling")))
    good, bad = copying(packaged, found), copying(random, found)
    assert good["copied_names_accuracy"] == 1.0
    assert good["copied_values_loss"] < 1.0 < bad["copied_values_loss"]
    assert bad["copied_values_accuracy"] < 0.5
    assert copying(random, []) == {}
