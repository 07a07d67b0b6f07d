"""Export a model: its files in the formats asked for, each checked, under one manifest.

`export` writes every file under a temporary name (`*.unverified`), measures it against the transformers
model (`parity.py`), and only when all of them pass gives them their names and writes the manifest and the
card. When one fails, the reports and the unverified files stay for the post-mortem, and an artifact that was
there before stays as it was.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from toolfinch import __version__, artifact, dialects
from toolfinch.artifact import NO_ORIGIN, Artifact, Checked, File, Origin
from toolfinch.dialects import Dialect
from toolfinch.errors import ParityError, UsageError
from toolfinch.example import Example
from toolfinch.export import card, parity
from toolfinch.export.gguf import WRITTEN, convert_with, load_config, write_gguf
from toolfinch.export.quantize import FILE_TYPES, quantize
from toolfinch.export.vocab import chat_template

SAFETENSORS = "safetensors"
FORMATS = (SAFETENSORS, *WRITTEN, *FILE_TYPES)
REPORTS = "parity"
# What makes up a transformers model beside its weights, where it has them.
MODEL_FILES = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "model.safetensors.index.json",
)
TEMPLATE = "chat_template.jinja"
UNVERIFIED = ".unverified"


def export(
    model: Path,
    out: Path,
    formats: Sequence[str],
    examples: Sequence[Example],
    *,
    dialect: str,
    name: str = "",
    origin: Origin = NO_ORIGIN,
    converter: Path | None = None,
    max_tokens: int = 256,
) -> Artifact:
    """Write the transformers model in the folder `model` to `out`, and return the manifest.

    `formats` are of FORMATS; the first is what is run when none is named. `examples` are what parity is
    measured on, with replies of at most `max_tokens`; `converter` is a llama.cpp checkout, for architectures
    that are not written here. ParityError when a file does not do what the model does.
    """
    for kind in formats:
        if kind not in FORMATS:
            raise UsageError(f"format {kind!r}: expected one of {', '.join(FORMATS)}")
    if not formats or len(set(formats)) != len(formats):
        raise UsageError(f"formats {list(formats)}: expected one or more, each once")
    if out.resolve() == model.resolve():
        raise UsageError(f"{out}: export to another folder than the model's")
    name = name or out.resolve().name
    if Path(name).name != name:
        raise UsageError(f"name {name!r}: it names files, so it can hold no path")
    spoken = dialects.get(dialect)
    load_config(model)
    kinds = [kind for kind in formats if kind != SAFETENSORS]
    reports = []
    if kinds:
        asked = parity.questions(model, examples, max_tokens)
        out.mkdir(parents=True, exist_ok=True)
        _write(model, out, name, kinds, dialect, converter)
        reports = _check(model, out, name, kinds, asked, spoken)
    out.mkdir(parents=True, exist_ok=True)
    return _ship(model, out, formats, reports, name, dialect, origin)


def _write(
    model: Path, out: Path, name: str, kinds: Sequence[str], dialect: str, converter: Path | None
) -> None:
    """Write every GGUF file under its unverified name."""
    base = _unverified(out, name, "bf16")  # what K-quants are made of
    plain = [kind for kind in kinds if kind not in FILE_TYPES]
    small = [kind for kind in kinds if kind in FILE_TYPES]
    for kind in plain if "bf16" in plain or not small else [*plain, "bf16"]:
        path = _unverified(out, name, kind)
        if converter is None:
            write_gguf(model, path, kind, dialect=dialect, name=name)
        else:
            convert_with(converter, model, path, kind)
    for kind in small:
        quantize(base, _unverified(out, name, kind), kind)
    if "bf16" not in kinds:
        base.unlink(missing_ok=True)


def _check(
    model: Path, out: Path, name: str, kinds: Sequence[str], asked: parity.Questions, spoken: Dialect
) -> list[parity.Report]:
    """Report on every GGUF file, and save the reports. ParityError when one does not pass."""
    folder = out / f"{REPORTS}{UNVERIFIED}"
    shutil.rmtree(folder, ignore_errors=True)
    wanted = parity.ask_model(model, asked, spoken)
    reports = []
    for kind in kinds:
        with tempfile.TemporaryDirectory(dir=out, prefix=".readback-") as scratch:
            path = _unverified(out, name, kind)
            got = parity.ask_gguf(path, model, asked, spoken, wanted, Path(scratch))
        reports.append(parity.compare(asked, wanted, got, kind))
        parity.save(reports[-1], folder)
    for report in reports:
        if not report.passed:
            raise ParityError(
                f"{out}: {report.format}: {report.failures[0]}; nothing was shipped",
                hint=f"the whole report is {folder / report.format}.md",
            )
    return reports


def _ship(
    model: Path,
    out: Path,
    formats: Sequence[str],
    reports: Sequence[parity.Report],
    name: str,
    dialect: str,
    origin: Origin,
) -> Artifact:
    """Give the files their names, and write the manifest and the card."""
    if reports:
        shutil.rmtree(out / REPORTS, ignore_errors=True)
        (out / f"{REPORTS}{UNVERIFIED}").replace(out / REPORTS)
    template = chat_template(model).encode()
    artifact.write_atomically(out / TEMPLATE, template)
    files = []
    for kind in formats:
        if kind == SAFETENSORS:
            files += _copy_model(model, out)
        else:
            path = _unverified(out, name, kind).with_suffix("")
            _unverified(out, name, kind).replace(path)
            files.append(artifact.describe(out, path.name, kind))
    files.append(artifact.describe(out, TEMPLATE))
    for report in reports:
        files += [artifact.describe(out, f"{REPORTS}/{report.format}{end}") for end in (".json", ".md")]
    made = Artifact(
        name=name,
        dialect=dialect,
        architecture=load_config(model).model_type,
        chat_template_sha256=hashlib.sha256(template).hexdigest(),
        files=tuple(files),
        origin=msgspec.structs.replace(
            origin,
            created_by=f"toolfinch {__version__}",
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        ),
        parity=tuple(
            Checked(r.format, r.engine, r.cosine_mean, r.calls_same, f"{REPORTS}/{r.format}.json")
            for r in reports
        ),
    )
    stale = _stale(out, made)
    artifact.write(made, out)
    for path in stale:
        path.unlink(missing_ok=True)
    card.write(out, made)
    return made


def _copy_model(model: Path, out: Path) -> list[File]:
    """Copy the transformers model's files, each under a temporary name first."""
    weights = sorted(path.name for path in model.glob("*.safetensors"))
    files = []
    for name in [*weights, *(name for name in MODEL_FILES if (model / name).is_file())]:
        temporary = out / f"{name}{UNVERIFIED}"
        shutil.copyfile(model / name, temporary)
        temporary.replace(out / name)
        files.append(artifact.describe(out, name, SAFETENSORS if name in weights else ""))
    return files


def _stale(out: Path, made: Artifact) -> list[Path]:
    """Files of the artifact that was here before and are no part of this one."""
    if not (out / artifact.MANIFEST).is_file():
        return []
    now = {file.path for file in made.files}
    return [out / file.path for file in artifact.load(out).files if file.path not in now]


def _unverified(out: Path, name: str, kind: str) -> Path:
    return out / f"{name}-{kind}.gguf{UNVERIFIED}"
