"""The filters of a build, in their order, and what a recipe may say of them.

What cannot be learned from goes first, then what is there more than once, so that what a filter drops hides no copy
and no copy counts twice: sessions are capped before anything is compared over all of them. Tool schemas are repaired
before calls are checked against them, and before anyone is paid to say what a renamed tool is now called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

import msgspec

from toolfinch.data.curate import (
    cap,
    decontaminate,
    drift,
    duplicates,
    failures,
    loops,
    near,
    quality,
    repeats,
    stale,
)
from toolfinch.data.stage import Stage, each, filtered
from toolfinch.example import Conversation
from toolfinch.tool import Tool

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Curate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is kept of a log."""

    session: Annotated[int, msgspec.Meta(ge=1)] = 200
    """Decisions of one session, at most: one user's long day is not the job."""
    near: Share = 0.8
    """Estimated Jaccard similarity of words from which conversations with the same calls are one; 0 compares none."""
    failures: Share = 0.25
    """At most this share of all decisions comes after failed or empty results."""
    decontaminate: tuple[str, ...] = (
        "scenarios_200",
        "unseen_tools_100",
        "forty",
        "dependencies",
        "failed_tools",
    )
    """Suites that nothing may resemble: packaged ones by name, `NAME=FOLDER` for public ones, or a dataset's file."""


def stages(
    said: Curate,
    suites: Mapping[str, Sequence[str]],
    current: Sequence[Tool],
    max_tokens: int,
    count: Callable[[Conversation], int],
) -> list[Stage]:
    """`suites`: texts by name, as `decontaminate.texts_of` gives them. `current`: what the tools are now, if known.
    `count`: the tokens of a conversation's longest row."""
    found = [
        each("trim", quality.trim),
        drift.stage(current),
        repeats.stage(),
        loops.stage(),
        filtered("ends properly", quality.ends_properly),
        filtered("calls fit their schemas", quality.calls_fit),
        decontaminate.stage(suites),
        stale.stage(),
        failures.tag(),
        failures.honest(),
        cap.decisions_each(said.session),
        duplicates.stage(),
    ]
    if said.near:
        found.append(near.stage(said.near))
    found.append(failures.balance(said.failures))
    found.append(filtered(f"at most {max_tokens} tokens", quality.at_most(max_tokens, count)))
    return found
