"""What is trained is what is served: the same tokens, the stop token among them, nothing of the prompt."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from toolfinch.data.synthesize import synthesize
from toolfinch.dialects import chat_template
from toolfinch.errors import ToolfinchError, UsageError
from toolfinch.example import Conversation, examples
from toolfinch.message import ToolCall, assistant, tool, user
from toolfinch.models import fledgling_template
from toolfinch.train.corpus import batches, read_corpora, render_rows, write_corpus
from toolfinch.train.render import Renderer, renderer_for
from toolfinch.train.sft import labels
from toolfinch.train.tokenizer import save_tokenizer, train_tokenizer


def conversations(n: int, seed: int = 0) -> list[Conversation]:
    return list(synthesize(n, seed=seed))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    template = fledgling_template()
    texts = [
        chat_template.render(template, c.messages, c.tools, add_generation_prompt=False)
        for c in conversations(150)
    ]
    out = tmp_path_factory.mktemp("tokenizer")
    save_tokenizer(train_tokenizer(texts, 2048, 128), out, template, 4096)
    return out


@pytest.fixture(scope="module")
def renderer(folder: Path) -> Renderer:
    return renderer_for(str(folder), "hermes")


def test_rows_hold_exactly_the_served_tokens(renderer: Renderer) -> None:
    """A joined row equals the tokens of the last prompt and completion, encoded whole."""
    for conversation in conversations(60, seed=1):
        decisions = list(examples(conversation))
        (row,) = renderer.rows(decisions)
        whole = renderer.prompt(decisions[-1]) + renderer.completion(decisions[-1])
        assert row.ids == renderer.tokenizer(whole, add_special_tokens=False)["input_ids"]
        assert row.example_ids == tuple(e.id for e in decisions)


def test_supervised_text_is_every_decision_and_nothing_else(renderer: Renderer) -> None:
    for conversation in conversations(60, seed=2):
        decisions = list(examples(conversation))
        (row,) = renderer.rows(decisions)
        spans = [
            renderer.tokenizer.decode([t for t, _ in group])
            for on, group in itertools.groupby(zip(row.ids, row.mask, strict=True), key=lambda p: p[1])
            if on
        ]
        assert spans == [renderer.completion(e) for e in decisions]
        assert all(span.endswith("<|im_end|>") for span in spans)


def test_a_joined_row_trains_what_single_rows_train(renderer: Renderer) -> None:
    (conversation,) = conversations(1, seed=3)
    decisions = list(examples(conversation))
    (joined,) = renderer.rows(decisions)
    for example in decisions:
        alone = renderer.render(example)
        assert joined.ids[: len(alone.ids)] == alone.ids
        start = alone.mask.index(True)
        assert joined.mask[start : len(alone.ids)] == alone.mask[start:]


def test_results_and_requests_are_never_supervised(renderer: Renderer) -> None:
    call = ToolCall("get", {"x": "supervised"}, "call_1")
    one = Conversation(
        "c",
        (),
        (user("USERTEXT"), assistant("", call), tool("RESULTTEXT", "call_1", "get"), assistant("Done.")),
    )
    (row,) = renderer.rows(examples(one))
    written = renderer.tokenizer.decode([t for t, on in zip(row.ids, row.mask, strict=True) if on])
    assert "USERTEXT" not in written
    assert "RESULTTEXT" not in written
    assert "supervised" in written


def test_a_reply_that_begins_with_white_space_is_a_row_of_its_own(renderer: Renderer) -> None:
    """Its first token could join the prompt's last one in history, so it must not be joined."""
    one = Conversation("c", (), (user("a"), assistant("\n\nhm"), user("b"), assistant("c")))
    rows = renderer.rows(examples(one))
    assert [r.example_ids for r in rows] == [("c/1",), ("c/3",)]


def test_a_template_that_rewrites_history_gets_a_row_a_decision(renderer: Renderer) -> None:
    template = (
        "{% for m in messages %}{{ m.role }}{{ ' (old)' if not loop.last }}:{{ m.content }}<|im_end|>{% endfor %}"
        "{% if add_generation_prompt %}assistant:{% endif %}"
    )
    rewriting = Renderer(renderer.tokenizer, template, renderer.dialect, renderer.stop)
    one = Conversation("c", (), (user("a"), assistant("b"), user("c"), assistant("d")))
    assert len(rewriting.rows(examples(one))) == 2


def test_an_untrained_stop_token_is_an_error(renderer: Renderer) -> None:
    """A stop that is no single token of the vocabulary would be trained as text."""
    broken = Renderer(renderer.tokenizer, renderer.template, renderer.dialect, "<|no_such_token|>")
    one = Conversation("c", (), (user("a"), assistant("b")))
    with pytest.raises(ToolfinchError, match="stop token"):
        broken.rows(examples(one))


def test_labels_are_ids_where_supervised(renderer: Renderer) -> None:
    row = renderer.render(next(examples(conversations(1)[0])))
    for label, token, on in zip(labels(row), row.ids, row.mask, strict=True):
        assert label == (token if on else -100)


@pytest.mark.parametrize("word", ["Kowalczyk", "zqxj", "Paris", "invoice", "Ærøskøbing", "北京"])
def test_a_word_has_the_same_tokens_wherever_it_stands(word: str, renderer: Renderer) -> None:
    """The point of this tokenizer: copying needs no translation."""

    def tokens(text: str) -> list[int]:
        return list(renderer.tokenizer(text, add_special_tokens=False)["input_ids"])

    alone = tokens(word)
    for before in (" ", '"', "(", "_", "\n", ": "):
        assert tokens(f"x{before}{word}")[-len(alone) :] == alone


def test_corpus_round_trip_and_batches(renderer: Renderer, tmp_path: Path) -> None:
    made = list(render_rows(conversations(40, seed=4), renderer))
    limit = sorted(len(r.ids) for r in made)[-3] - 1
    kept, dropped = write_corpus(made, tmp_path / "a", limit)
    assert kept + dropped == len(made)
    assert dropped >= 3
    corpus = read_corpora([tmp_path / "a", tmp_path / "a"])
    assert len(corpus) == 2 * kept
    seen = 0
    for ids, mask in batches(corpus, 2048, seed=0, epoch=0):
        assert ids.shape == mask.shape
        assert ids.size <= max(2048, ids.shape[1])
        seen += int((mask >= 0).sum())
    assert seen == len(corpus.ids)


def test_a_folder_without_a_tokenizer_is_named(tmp_path: Path) -> None:
    """transformers makes up an empty one, which would be trained on."""
    (tmp_path / "config.json").write_text('{"model_type": "qwen3"}')
    with pytest.raises(UsageError, match=r"no tokenizer\.json") as caught:
        renderer_for(str(tmp_path), "hermes")
    assert str(caught.value).startswith(str(tmp_path))


def test_of_several_templates_the_one_for_tools_is_trained(folder: Path, tmp_path: Path) -> None:
    """As it is the one that the engines serve."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = {"default": "plain", "tool_use": fledgling_template()}
    tokenizer.save_pretrained(tmp_path)
    assert renderer_for(str(tmp_path), "hermes").template == fledgling_template()
