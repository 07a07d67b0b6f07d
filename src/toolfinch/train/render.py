"""From an example to `(ids, mask)`: exactly the tokens that the model will read and write.

The prompt is what the server renders for the same request, and the supervised part is what the model must
write after it, its stop token included. Where the rendering of one decision is a prefix of the next one's
(true of templates that never rewrite history), a whole conversation becomes one row with several supervised
spans, which trains a dozen decisions for the price of one.

A call of an earlier turn is written by the chat template, the one to come by the dialect: `check_history`
holds the first to the second. `toolfinch show-mask` prints a rendering in colour. Left out: truncation. A row
that is too long is dropped with its reason, by `toolfinch data` or by `train.job`, never cut.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from toolfinch.dialects import chat_template
from toolfinch.dialects.dialect import Dialect
from toolfinch.errors import MissingDependency, ToolfinchError, UsageError
from toolfinch.example import Example, gold_message
from toolfinch.message import Message, ToolCall
from toolfinch.tool import Tool

HERE = Path(__file__).parent


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
        return self._text(example.messages, example.tools, add_generation_prompt=True)

    def _text(
        self, messages: Sequence[Message], tools: Sequence[Tool], *, add_generation_prompt: bool
    ) -> str:
        return chat_template.render(
            self.template,
            messages,
            tools,
            add_generation_prompt=add_generation_prompt,
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

    def check_history(self, messages: Sequence[Message], tools: Sequence[Tool]) -> None:
        """Raise ToolfinchError where the template shows a call that was made otherwise than it was made.

        Some templates drop calls (Phi 3.5), keep the first alone (gpt-oss) or write arguments as a string, all
        without a word: the model would learn from a false history.
        """
        for i, message in enumerate(messages):
            if not message.calls:
                continue
            before = self._text(messages[:i], tools, add_generation_prompt=False)
            after = self._text(messages[: i + 1], tools, add_generation_prompt=False)
            shared = len(os.path.commonprefix((before, after)))  # noqa: RUF071  (characters are meant)
            turn = after[after.rfind("\n", 0, shared) + 1 :]  # a template may rewrite what came before
            shown = self.dialect.parse(turn, tools).calls[-len(message.calls) :]
            if len(shown) < len(message.calls) or not all(map(ToolCall.same, message.calls, shown)):
                raise ToolfinchError(
                    f"messages[{i}]: the chat template does not show its call of {message.calls[0].name!r} "
                    f"as {self.dialect.name} writes it",
                    hint="the recipe's dialect is not the template's, or the template loses calls",
                )

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


def renderer_for(folder: str, dialect_name: str, template: str = "") -> Renderer:
    """The renderer of a transformers folder; UsageError where its tokenizer is missing something.

    `template` is used in place of the folder's own chat template: a file, or the name of a packaged one.
    """
    try:
        from transformers import AutoTokenizer
    except ImportError as error:
        raise MissingDependency(
            f"{folder}: counting its tokens needs {error.name}", hint="pip install 'toolfinch[train]'"
        ) from error

    from toolfinch.dialects import get

    if not any((Path(folder) / name).is_file() for name in ("tokenizer.json", "merges.txt")):
        raise UsageError(f"{folder}: no tokenizer.json")  # transformers would make up an empty one
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise UsageError(f"{folder}: its tokenizer cannot be loaded: {str(error).splitlines()[0]}") from error
    if template:
        tokenizer.chat_template = read_template(template)
    text = tokenizer.chat_template
    if isinstance(text, dict):  # several named ones: the one that is served
        text = text.get("tool_use") or text.get("default")
    if not text:
        hint = f"give the recipe one: template = {' or '.join(map(repr, packaged_templates()))}, or a file"
        raise UsageError(f"{folder}: the tokenizer has no chat template", hint=hint)
    if not tokenizer.eos_token:
        raise UsageError(f"{folder}: the tokenizer has no eos_token")
    return Renderer(tokenizer, text, get(dialect_name), tokenizer.eos_token)


def packaged_templates() -> list[str]:
    """Names of the chat templates that ship with the package, for bases that have none."""
    return sorted(path.stem for path in HERE.glob("*.jinja"))


def read_template(template: str) -> str:
    """The text of a chat template by path, or by the name of a packaged one."""
    path = Path(template)
    if template in packaged_templates():
        path = HERE / f"{template}.jinja"
    if not path.is_file():
        hint = f"give a Jinja file, or one of: {', '.join(packaged_templates())}"
        raise UsageError(f"{template}: no such chat template", hint=hint)
    return path.read_text(encoding="utf-8")
