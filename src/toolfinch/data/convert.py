"""From logs to a dataset: read, trim, filter, divide, and account for every row.

`toolfinch data` is this function, told what to count tokens with. Left out: removing personal data and making new
rows, which are steps of their own between reading and training.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from toolfinch.artifact import write_atomically
from toolfinch.data import dataset, funnel
from toolfinch.data.curate import quality, repeats
from toolfinch.data.readers import log
from toolfinch.data.readers.report import ReadReport
from toolfinch.data.split import FRACTIONS, by_id, split
from toolfinch.data.stage import each, filtered, run
from toolfinch.errors import DataError
from toolfinch.example import Conversation
from toolfinch.tool import Tool


class Built(msgspec.Struct, frozen=True):
    """A dataset and how it came to be."""

    splits: dict[str, list[Conversation]]
    funnel: funnel.Funnel
    reports: tuple[ReadReport, ...]
    """One a file."""


def build(
    paths: Sequence[Path],
    tools: Sequence[Tool] = (),
    *,
    fractions: Mapping[str, float] = FRACTIONS,
    seed: int = 0,
    group: Callable[[Conversation], str] = by_id,
    max_tokens: int | None = None,
    count: Callable[[Conversation], int] | None = None,
    format: str = "",
    strict: bool = False,
) -> Built:
    """Read logs of any known format and divide what is fit to learn from.

    `count` gives a conversation's tokens under the target tokenizer and goes with `max_tokens`. An id that
    comes again in another file gets `#2`. Raises DataError if nothing is left, naming the step that
    took the last of it, and what `log.read` and `split` raise.
    """
    if (max_tokens is None) != (count is None):
        raise ValueError("max_tokens and count go together")
    found: dict[str, Conversation] = {}
    reports = []
    for path in dict.fromkeys(paths):
        conversations, report = log.read(path, tools, format=format, strict=strict)
        reports.append(report)
        for one in conversations:
            id, again = one.id, 1
            while id in found:
                again += 1
                id = f"{one.id}#{again}"
            found[id] = msgspec.structs.replace(one, id=id)
    skipped = [row for report in reports for row in report.skipped]
    rows = sum(report.found for report in reports)
    steps = [funnel.step("read", rows, len(found), skipped)]
    stages = [
        each("trim", quality.trim),
        repeats.stage(),
        filtered("ends properly", quality.ends_properly),
        filtered("calls fit their schemas", quality.calls_fit),
    ]
    if max_tokens is not None and count is not None:
        stages.append(filtered(f"at most {max_tokens} tokens", quality.at_most(max_tokens, count)))
    kept = list(found.values())
    for stage in stages:
        kept, step = run(stage, kept)
        steps.append(step)
        if not kept:
            why = ", ".join(f"{reason} ({n})" for reason, n in [*step.reasons.items()][:3])
            raise DataError(
                f"{', '.join(map(str, paths))}: no conversation is left after {stage.name!r}: {why}",
                hint="" if tools or any(c.tools for c in found.values()) else "give the tools: --tools FILE",
            )
    return Built(split(kept, fractions, seed=seed, group=group), funnel.Funnel(tuple(steps)), tuple(reports))


def write(built: Built, folder: Path, *, suffix: str = ".jsonl.gz") -> dict[str, Path]:
    """Write each side that has conversations as `<side><suffix>`, and the funnel as `funnel.md`."""
    files = {}
    for side, conversations in built.splits.items():
        if conversations:
            files[side] = folder / f"{side}{suffix}"
            dataset.write_dataset(files[side], conversations)
    write_atomically(folder / "funnel.md", built.funnel.to_markdown().encode())
    return files
