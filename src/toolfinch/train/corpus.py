"""Conversations to token rows on disk, for pretraining: written once, read as a memory map.

A corpus folder holds `ids.npy` (uint16 token ids of all rows, end to end), `mask.npy` (1 where the model is
trained to write the token) and `starts.npy` (where each row begins, plus the end).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from toolfinch.errors import DataError
from toolfinch.example import Conversation, examples
from toolfinch.train.render import Rendered, Renderer


class Corpus(msgspec.Struct, frozen=True):
    """Token rows of different lengths."""

    ids: NDArray[np.uint16]
    mask: NDArray[np.uint8]
    starts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        return np.diff(self.starts)


def render_rows(conversations: Iterable[Conversation], renderer: Renderer) -> Iterator[Rendered]:
    """Every decision of every conversation, joined into as few rows as the template allows."""
    for conversation in conversations:
        yield from renderer.rows(examples(conversation))


def write_corpus(rendered: Iterable[Rendered], folder: Path, max_tokens: int) -> tuple[int, int]:
    """Write rows of at most `max_tokens`; gives (rows written, rows that were too long)."""
    ids: list[NDArray[np.uint16]] = []
    masks: list[NDArray[np.uint8]] = []
    starts = [0]
    too_long = 0
    for row in rendered:
        if len(row.ids) > max_tokens:
            too_long += 1
            continue
        ids.append(np.array(row.ids, dtype=np.uint16))
        masks.append(np.array(row.mask, dtype=np.uint8))
        starts.append(starts[-1] + len(row.ids))
    folder.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = {
        "ids": np.concatenate(ids) if ids else np.zeros(0, np.uint16),
        "mask": np.concatenate(masks) if masks else np.zeros(0, np.uint8),
        "starts": np.array(starts, dtype=np.int64),
    }
    for name, array in arrays.items():
        partial = folder / f"{name}.partial.npy"
        np.save(partial, array)
        partial.replace(folder / f"{name}.npy")
    return len(starts) - 1, too_long


def read_corpora(folders: Iterable[Path]) -> Corpus:
    """Several corpus folders as one."""
    parts = [[_load(folder / f"{name}.npy") for name in ("ids", "mask", "starts")] for folder in folders]
    offset = 0
    starts = [np.zeros(1, np.int64)]
    for part in parts:
        starts.append(part[2][1:] + offset)
        offset += int(part[2][-1])
    return Corpus(
        np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts]), np.concatenate(starts)
    )


def _load(path: Path) -> NDArray[Any]:
    if not path.is_file():
        raise DataError(f"{path}: no such file", hint="make it with `toolfinch pretrain`")
    array: NDArray[Any] = np.load(path, mmap_mode="r")
    return array


def batches(
    corpus: Corpus, tokens: int, seed: int, epoch: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """One epoch of `(ids, mask)` arrays of about `tokens` tokens, rows of like length together.

    Padding stands on the right with id 0 and mask -1 (never a target), so causal attention needs no mask.
    """
    rng = np.random.default_rng([seed, epoch])
    lengths = corpus.lengths
    # A little noise on the length keeps like lengths together and still changes the company of a row.
    order = np.argsort(lengths * rng.uniform(0.9, 1.1, len(lengths)), kind="stable")
    groups: list[list[int]] = [[]]
    longest = 0
    for i in order.tolist():
        longest_with = max(longest, int(lengths[i]))
        if groups[-1] and longest_with * (len(groups[-1]) + 1) > tokens:
            groups.append([])
            longest_with = int(lengths[i])
        groups[-1].append(i)
        longest = longest_with
    for g in rng.permutation(len(groups)).tolist():
        group = groups[g]
        width = max(int(lengths[i]) for i in group)
        ids = np.zeros((len(group), width), np.int64)
        mask = np.full((len(group), width), -1, np.float32)
        for row, i in enumerate(group):
            a, b = int(corpus.starts[i]), int(corpus.starts[i + 1])
            ids[row, : b - a] = corpus.ids[a:b]
            mask[row, : b - a] = corpus.mask[a:b]
        yield ids, mask
