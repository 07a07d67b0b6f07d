"""The model card: `README.md` of an artifact, with the front matter that model hubs read.

`write(folder, artifact)` fills in what the manifest knows: formats, sizes, parity, hashes, how to run it.
What the model is for, its data and how good it is are the caller's to say (`About`, `Measure`); the card says
so where they are missing. It is no part of the manifest, so it may be rewritten when there are new numbers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import msgspec

from toolfinch.artifact import Artifact, write_atomically

NAME = "README.md"
UNSAID = "Not stated when this card was written."


class Measure(msgspec.Struct, frozen=True):
    """One measured number and its 95 % interval."""

    name: str
    value: float
    low: float
    high: float
    n: int
    """What it is over: examples or calls."""
    format: str = ""
    """The file that it was measured on; empty for all."""


class About(msgspec.Struct, frozen=True):
    """What the manifest does not know. Markdown where not said otherwise."""

    summary: str = ""
    data: str = ""
    """The data card's funnel: what was kept, and what was dropped and why."""
    recipe: str = ""
    """How it was trained."""
    limits: str = ""
    command: str = ""
    """The command that made the numbers (plain text)."""
    tags: tuple[str, ...] = ()


NOTHING_SAID = About()


def write(
    folder: Path, made: Artifact, about: About = NOTHING_SAID, measures: Sequence[Measure] = ()
) -> Path:
    """Write the card of the artifact in `folder`; its path."""
    path = folder / NAME
    write_atomically(path, card(made, about, measures).encode())
    return path


def card(made: Artifact, about: About = NOTHING_SAID, measures: Sequence[Measure] = ()) -> str:
    """The card's text."""
    origin = made.origin
    sections = [
        (
            "",
            about.summary
            or f"A {made.architecture} model that calls tools, in the `{made.dialect}` dialect.",
        ),
        ("Run it", _run(made)),
        ("Formats", _formats(made)),
        ("Quality", _quality(measures, about.command)),
        ("Data", about.data or UNSAID),
        (
            "Training",
            about.recipe or (f"Recipe: {_code(origin.recipe)}" if origin.recipe else UNSAID),
        ),
        ("Limits and licence", _limits(made, about)),
        ("Provenance", _provenance(made)),
    ]
    body = [f"## {title}\n\n{text.strip()}" if title else text.strip() for title, text in sections]
    return "\n\n".join([_front_matter(made, about), f"# {made.name}", *body]) + "\n"


def _front_matter(made: Artifact, about: About) -> str:
    """YAML; every scalar is a JSON string, which YAML reads as it stands."""
    safetensors = "safetensors" in made.formats()
    tags = ["tool-calling", "function-calling", "toolfinch", *about.tags]
    if any(kind != "safetensors" for kind in made.formats()):
        tags.append("gguf")
    lines = [
        "---",
        f"library_name: {'transformers' if safetensors else 'gguf'}",
        "pipeline_tag: text-generation",
    ]
    if made.origin.base:
        lines.append(f"base_model: {json.dumps(made.origin.base)}")
    if made.origin.license:
        lines.append(f"license: {json.dumps(made.origin.license)}")
    lines += ["tags:", *(f"  - {json.dumps(tag)}" for tag in dict.fromkeys(tags)), "---"]
    return "\n".join(lines)


def _run(made: Artifact) -> str:
    first = next(iter(made.formats()), "")
    return (
        f"```sh\ntoolfinch serve .   # runs {first}\n```\n\n"
        f"The model writes calls in the `{made.dialect}` dialect. Its chat template is in "
        "`chat_template.jinja`, and in the GGUF files' metadata."
    )


def _formats(made: Artifact) -> str:
    rows = [
        "| format | files | size | cosine to safetensors | same calls | checked with |",
        "|---|---|---|---|---|---|",
    ]
    checked = {check.format: check for check in made.parity}
    for kind in made.formats():
        files = [file for file in made.files if file.format == kind]
        names = ", ".join(_code(file.path) for file in files)
        size = f"{sum(file.size for file in files) / 1e6:.1f} MB"
        check = checked.get(kind)
        parity = (
            "the reference | | "
            if check is None
            else (f"{check.cosine:.4f} | {check.calls:.0%} | [{check.engine}]({check.report})")
        )
        rows.append(f"| {kind} | {names} | {size} | {parity} |")
    return "\n".join(rows)


def _quality(measures: Sequence[Measure], command: str) -> str:
    if not measures:
        return UNSAID
    rows = ["| measure | format | value | 95 % interval | over |", "|---|---|---|---|---|"]
    rows += [
        f"| {m.name} | {m.format or 'all'} | {m.value:.3f} | {m.low:.3f} – {m.high:.3f} | {m.n} |"
        for m in measures
    ]
    return "\n".join(rows) + (f"\n\nMade by `{command}`." if command else "")


def _limits(made: Artifact, about: About) -> str:
    licence = (
        f"Licence: {made.origin.license}."
        if made.origin.license
        else ("No licence was given for this model; that of its base and of its data apply.")
    )
    return f"{about.limits or UNSAID}\n\n{licence}"


def _provenance(made: Artifact) -> str:
    origin = made.origin
    rows = [
        ("base", origin.base),
        ("data SHA-256", origin.data_sha256),
        ("chat template SHA-256", made.chat_template_sha256),
        ("artifact digest", made.digest()),
        ("made by", origin.created_by),
        ("made at", origin.created),
    ]
    lines = ["| what | value |", "|---|---|", *(f"| {k} | {_code(v)} |" for k, v in rows if v), "", "```"]
    lines += [f"{file.sha256}  {file.path}" for file in made.files]
    return "\n".join([*lines, "```"])


def _code(text: str) -> str:
    return f"`{text}`"
