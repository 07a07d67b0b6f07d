"""`Artifact`: an exported model, as a folder with a manifest `toolfinch.json`.

The manifest says what every file is (SHA-256, size, format), which dialect the model writes, and where the
model came from. `verify` proves that the folder is still what was exported; `find` tells what can be run at a
path, with or without a manifest. Making an artifact is `export/`; running one is `callers/`.
"""

from __future__ import annotations

import hashlib
import os
import struct
from pathlib import Path, PureWindowsPath
from typing import Any, BinaryIO, Literal

import msgspec

from toolfinch.errors import ToolfinchError, UsageError

MANIFEST = "toolfinch.json"
DIALECT_KEY = "toolfinch.dialect"
"""The metadata key of a GGUF file that names its dialect."""
NORMALIZER_KEY = "toolfinch.normalizer"
"""And the one of the Unicode form that text must be given in, since llama.cpp does not normalise."""


class File(msgspec.Struct, frozen=True, omit_defaults=True):
    """One file of an artifact."""

    path: str
    """Relative to the folder, with `/`."""
    sha256: str
    size: int
    """Bytes."""
    format: str = ""
    """`safetensors`, or a GGUF type such as `q8_0`; empty for a file without weights (tokenizer, report)."""


class Origin(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a model came from."""

    base: str = ""
    """The base model, as the recipe names it."""
    recipe: str = ""
    """The recipe's name or path."""
    data_sha256: str = ""
    license: str = ""
    created_by: str = ""
    """`toolfinch <version>`."""
    created: str = ""
    """UTC, ISO 8601."""


NO_ORIGIN = Origin()


class Checked(msgspec.Struct, frozen=True):
    """A format's parity with the model that it was made from; the whole report lies at `report`."""

    format: str
    engine: str
    """`llama.cpp`, or `gguf reader + transformers` where it is not installed."""
    cosine: float
    """Mean over prompts, of the logits after the last token."""
    calls: float
    """Fraction of prompts with the same calls."""
    report: str


class Artifact(msgspec.Struct, frozen=True):
    """What a folder holds."""

    name: str
    dialect: str
    architecture: str
    """As config.json's `model_type` has it."""
    chat_template_sha256: str
    files: tuple[File, ...]
    origin: Origin = NO_ORIGIN
    parity: tuple[Checked, ...] = ()
    manifest_version: int = 1

    def formats(self) -> tuple[str, ...]:
        """The formats that the weights come in, in the manifest's order, each once."""
        return tuple(dict.fromkeys(file.format for file in self.files if file.format))

    def digest(self) -> str:
        """One SHA-256 for the whole: of the lines `<sha256>  <path>`, sorted by path."""
        lines = [f"{file.sha256}  {file.path}\n" for file in sorted(self.files, key=lambda f: f.path)]
        return hashlib.sha256("".join(lines).encode()).hexdigest()


class Found(msgspec.Struct, frozen=True):
    """Something that can be run: a transformers folder or a GGUF file, and its dialect."""

    kind: Literal["transformers", "gguf"]
    path: Path
    dialect: str
    artifact: Artifact | None = None
    """Where the folder has a manifest."""


def load(folder: Path) -> Artifact:
    """Read a folder's manifest. UsageError, naming the key, when there is none or it is wrong."""
    path = folder / MANIFEST
    if not path.is_file():
        raise UsageError(f"{path}: no such manifest; {folder} is not an artifact")
    try:
        artifact = msgspec.json.decode(path.read_bytes(), type=Artifact)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}") from error
    for file in artifact.files:
        inside = PureWindowsPath(file.path)  # knows both separators, and drives
        if inside.anchor or ".." in inside.parts:
            raise UsageError(f"{path}: files: {file.path!r} leaves the folder")
    return artifact


def write(artifact: Artifact, folder: Path) -> None:
    """Write the manifest, whole or not at all."""
    write_atomically(folder / MANIFEST, msgspec.json.format(msgspec.json.encode(artifact), indent=2) + b"\n")


def write_atomically(path: Path, content: bytes) -> None:
    """Write to a temporary name beside `path` and rename."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def verify(folder: Path) -> Artifact:
    """Check every file against the manifest. ToolfinchError naming the first file that is not as written."""
    artifact = load(folder)
    for file in artifact.files:
        path = folder / file.path
        if not path.is_file():
            raise ToolfinchError(f"{path}: missing")
        if path.stat().st_size != file.size:
            raise ToolfinchError(f"{path}: {path.stat().st_size} bytes, the manifest says {file.size}")
        if sha256(path) != file.sha256:
            raise ToolfinchError(f"{path}: its SHA-256 is not the manifest's; the file was changed")
    return artifact


def describe(folder: Path, path: str, format: str = "") -> File:
    """The manifest entry of a file in `folder`."""
    whole = folder / path
    return File(path, sha256(whole), whole.stat().st_size, format)


def identity(path: Path) -> str:
    """The SHA-256 of the model at a path: the manifest's, or the file's own; empty where there is none.

    Of a folder without a manifest it is that of the weights and of all that says how they are used: another
    chat template makes other replies.
    """
    if path.is_file():
        return sha256(path)
    if (path / MANIFEST).is_file():
        return load(path).digest()
    kinds = (".safetensors", ".json", ".jinja", ".model", ".txt")
    # A calibration names this hash, and cannot be a part of it.
    files = [f for f in sorted(path.glob("*")) if f.suffix in kinds and f.name != "calibration.json"]
    lines = [f"{sha256(file)}  {file.name}\n" for file in files]
    return hashlib.sha256("".join(lines).encode()).hexdigest() if lines else ""


def sha256(path: Path) -> str:
    """Of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def find(path: Path, *, dialect: str = "", format: str = "") -> Found:
    """What can be run at `path`: an artifact, a transformers folder, or a GGUF file.

    An artifact may hold several formats: `format` picks one, by default the manifest's first. The dialect is
    the manifest's or the GGUF file's own unless it is given; a model that names none needs one given.
    UsageError for anything else, naming the path and what is missing.
    """
    if path.is_file():
        name = dialect or gguf_text(path, DIALECT_KEY)
        return Found("gguf", path, _named(name, path))
    if not path.is_dir():
        raise UsageError(f"{path}: no such file or folder")
    if not (path / MANIFEST).is_file():
        if format and format != "safetensors":
            raise UsageError(f"{path}: no {format} in it; a folder without {MANIFEST} has only safetensors")
        if not (path / "config.json").is_file() or not any(path.glob("*.safetensors")):
            raise UsageError(f"{path}: no model in it (no {MANIFEST}, no config.json with *.safetensors)")
        return Found("transformers", path, _named(dialect, path))
    artifact = load(path)
    chosen = format or next(iter(artifact.formats()), "")
    if chosen not in artifact.formats():
        raise UsageError(f"{path}: no format {chosen!r} in it; it has {', '.join(artifact.formats())}")
    name = dialect or artifact.dialect
    if chosen == "safetensors":
        return Found("transformers", path, name, artifact)
    file = next(file for file in artifact.files if file.format == chosen)
    return Found("gguf", path / file.path, name, artifact)


def _named(dialect: str, path: Path) -> str:
    if not dialect:
        raise UsageError(f"{path}: the model does not say which dialect it writes", hint="give it: --dialect")
    return dialect


def gguf_text(path: Path, key: str) -> str:
    """A text value of a GGUF file's metadata, empty where it has none; reads no further than it must.

    The layout is that of ggml's docs/gguf.md. UsageError for a file that is not little-endian GGUF 2 or 3.
    """
    with path.open("rb") as file:
        try:
            magic, version, _, keys = struct.unpack("<4sIQQ", file.read(24))
            if magic != b"GGUF" or version not in (2, 3):
                raise UsageError(f"{path}: not a GGUF file of version 2 or 3")
            for _ in range(keys):
                name = _gguf_string(file)
                kind = _unpack(file, "I")
                if name == key and kind == 8:
                    return _gguf_string(file)
                _skip(file, kind)
        except (struct.error, UnicodeDecodeError) as error:
            raise UsageError(f"{path}: not a GGUF file, or cut short") from error
    return ""


_GGUF_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}


def _skip(file: BinaryIO, kind: int) -> None:
    """Pass over one value."""
    if kind in _GGUF_SIZES:
        file.seek(_GGUF_SIZES[kind], os.SEEK_CUR)
    elif kind == 8:
        file.seek(_unpack(file, "Q"), os.SEEK_CUR)
    elif kind == 9:
        inner, length = _unpack(file, "I"), _unpack(file, "Q")
        if inner in _GGUF_SIZES:
            file.seek(_GGUF_SIZES[inner] * length, os.SEEK_CUR)
        else:
            for _ in range(length):
                _skip(file, inner)
    else:
        raise struct.error(f"value type {kind}")


def _gguf_string(file: BinaryIO) -> str:
    length = _unpack(file, "Q")
    text = file.read(min(length, 1 << 24))
    if len(text) != length:
        raise struct.error(f"a string of {length} bytes")
    return text.decode()


def _unpack(file: BinaryIO, code: str) -> Any:
    return struct.unpack(f"<{code}", file.read(struct.calcsize(f"<{code}")))[0]
