"""From an example to `(ids, mask)`: exactly the tokens that the model will read and write.

The prompt is what the server renders for the same request, and the supervised part is what the model must
write after it, its stop token included. Where the rendering of one decision is a prefix of the next one's
(true of templates that never rewrite history), a whole conversation becomes one row with several supervised
spans, which trains a dozen decisions for the price of one.

`toolfinch show-mask` prints a rendering in colour. Left out: truncation. A row that is too long is dropped
with its reason, by `toolfinch data` or by `train.job`, never cut.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from toolfinch.dialects import chat_template
from toolfinch.dialects.dialect import Dialect
from toolfinch.errors import MissingDependency, ToolfinchError, UsageError
from toolfinch.example import Example, gold_message


class Rendered(msgspec.Struct, frozen=True):
    """Token ids, and for each whether the model is trained to write it."""

    ids: list[int]
    mask: list[bool]
    example_ids: tuple[str, ...]


class Renderer(msgspec.Struct, frozen=True):
    """What turns examples into tokens for one base model."""

    tokenizer: Any
    """A transformers tokenizer."""
    template: str
    dialect: Dialect
    stop: str
    """The end-of-turn token that the model must learn to write."""

    def prompt(self, example: Example) -> str:
        """The text before the decision, as served (thinking off)."""
        return chat_template.render(
            self.template,
            example.messages,
            example.tools,
            add_generation_prompt=True,
            bos_token=self.tokenizer.bos_token or "",
            eos_token=self.tokenizer.eos_token or "",
            enable_thinking=False,
        )

    def completion(self, example: Example) -> str:
        """The text of the decision, with its stop token."""
        return self.dialect.render_turn(gold_message(example), example.tools) + self.stop

    def render(self, example: Example) -> Rendered:
        """One example by itself."""
        (row,) = self.rows([example])
        return row

    def rows(self, conversation: Iterable[Example]) -> list[Rendered]:
        """The examples of one conversation, in order, in as few rows as its template allows.

        Raises ToolfinchError where a decision's last supervised token would not be the stop token.
        """
        out: list[_Row] = []
        for example in conversation:
            prompt, completion = self.prompt(example), self.completion(example)
            row = out[-1] if out else None
            # A decision that begins with a space could share a token with the prompt once it is history.
            if row is None or row.closed or not prompt.startswith(row.text):
                row = _Row()
                out.append(row)
            row.spans.append((prompt[len(row.text) :], False))
            row.spans.append((completion, True))
            row.text = prompt + completion
            row.closed = completion[:1].isspace()
            row.names.append(example.id)
        return [self._encode(row) for row in out]

    def _encode(self, row: _Row) -> Rendered:
        pieces = self.tokenizer([text for text, _ in row.spans], add_special_tokens=False)["input_ids"]
        ids: list[int] = []
        mask: list[bool] = []
        stop_id = self.tokenizer.convert_tokens_to_ids(self.stop)
        for piece, (_, supervised) in zip(pieces, row.spans, strict=True):
            if supervised and piece[-1] != stop_id:
                raise ToolfinchError(f"{row.names[0]}: the stop token {self.stop!r} would not be trained")
            ids.extend(piece)
            mask.extend([supervised] * len(piece))
        return Rendered(ids, mask, tuple(row.names))


class _Row:
    """A row being joined: its text so far, and the spans that it is made of."""

    def __init__(self) -> None:
        self.text = ""
        self.spans: list[tuple[str, bool]] = []
        self.names: list[str] = []
        self.closed = False


def renderer_for(folder: str, dialect_name: str) -> Renderer:
    """The renderer of a transformers folder; UsageError where its tokenizer is missing something."""
    try:
        from transformers import AutoTokenizer
    except ImportError as error:
        raise MissingDependency(
            f"{folder}: counting its tokens needs {error.name}", hint="pip install 'toolfinch[train]'"
        ) from error

    from toolfinch.dialects import get

    if not (Path(folder) / "tokenizer.json").is_file():  # transformers would make up an empty one
        raise UsageError(f"{folder}: no tokenizer.json")
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise UsageError(f"{folder}: its tokenizer cannot be loaded: {str(error).splitlines()[0]}") from error
    template = tokenizer.chat_template
    if isinstance(template, dict):  # several named ones: the one that is served
        template = template.get("tool_use") or template.get("default")
    if not template or not tokenizer.eos_token:
        raise UsageError(f"{folder}: the tokenizer has no {'eos_token' if template else 'chat template'}")
    return Renderer(tokenizer, template, get(dialect_name), tokenizer.eos_token)
