"""How well a model copies: loss and accuracy on the tool names and argument values that stand in its prompt.

A small model fills a call mostly by copying, and learns it late and suddenly; the loss over all tokens hides
that. `pretrain` logs these figures at every checkpoint, so that a long run is not spent before copying has
formed. Each token is judged with the right ones before it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from toolfinch.example import Example
from toolfinch.train.render import Renderer

NAME, VALUE = 1, 2
SHORTEST = 3
"""Characters of a value that counts as copied; a shorter one may stand in the prompt by chance."""


class CopyRow(msgspec.Struct, frozen=True):
    """A prompt with its call, and for each token whether it copies a NAME, a VALUE or nothing (0)."""

    ids: list[int]
    copies: list[int]


def copy_rows(decisions: Iterable[Example], renderer: Renderer) -> list[CopyRow]:
    """The decisions that are calls, as rows."""
    rows = []
    for example in decisions:
        if not example.expected.calls:
            continue
        prompt, completion = renderer.prompt(example), renderer.completion(example)
        before = renderer.tokenizer(prompt, add_special_tokens=False)["input_ids"]
        after = renderer.tokenizer(completion, add_special_tokens=False, return_offsets_mapping=True)
        spans = _spans(example, prompt, completion)
        copies = [
            next((kind for a, b, kind in spans if a <= start and end <= b), 0)
            for start, end in after["offset_mapping"]
        ]
        rows.append(CopyRow([*before, *after["input_ids"]], [*[0] * len(before), *copies]))
    return rows


def _spans(example: Example, prompt: str, completion: str) -> list[tuple[int, int, int]]:
    """Where the completion holds what the prompt does: (start, end, kind) in characters, call by call."""
    spans = []
    at = 0
    for expected in example.expected.calls:
        call = expected.call
        wanted = [(call.name, NAME), *((v, VALUE) for v in call.arguments.values() if isinstance(v, str))]
        for text, kind in wanted:
            found = completion.find(text, at)
            if found >= 0 and text in prompt and (kind == NAME or len(text) >= SHORTEST):
                spans.append((found, found + len(text), kind))
                at = found + len(text)
    return spans


def copying(model: Any, rows: Iterable[CopyRow]) -> dict[str, float]:
    """Mean loss (nats) and accuracy over the copied tokens of names and of values, as far as there are any.

    One row at a time, so that no padding is read.
    """
    import torch

    device = next(model.parameters()).device
    losses: dict[int, list[float]] = {NAME: [], VALUE: []}
    right: dict[int, list[float]] = {NAME: [], VALUE: []}
    with torch.inference_mode():
        for row in rows:
            at = [i for i, kind in enumerate(row.copies) if kind]
            ids = torch.tensor([row.ids], device=device)
            states = model.model(input_ids=ids, use_cache=False).last_hidden_state[0]
            chances = model.lm_head(states[[i - 1 for i in at]]).float().log_softmax(-1)
            for i, chance in zip(at, chances, strict=True):
                kind, token = row.copies[i], row.ids[i]
                losses[kind].append(-float(chance[token]))
                right[kind].append(float(int(chance.argmax()) == token))
    out = {}
    for kind, name in ((NAME, "names"), (VALUE, "values")):
        if count := len(losses[kind]):
            out[f"copied_{name}_loss"] = round(sum(losses[kind]) / count, 4)
            out[f"copied_{name}_accuracy"] = round(sum(right[kind]) / count, 4)
    return out
