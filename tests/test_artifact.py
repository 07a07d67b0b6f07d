"""Manifests: what was exported is what lies there, and what can be run is found or refused by name."""

from __future__ import annotations

import struct
from pathlib import Path

import msgspec
import pytest

from toolfinch import artifact
from toolfinch.artifact import Artifact, File, Origin
from toolfinch.errors import ToolfinchError, UsageError


def _gguf(path: Path, *pairs: tuple[str, int, bytes]) -> Path:
    """A GGUF file without tensors: magic, version 3, and key, value type, value for each pair."""
    head = struct.pack("<4sIQQ", b"GGUF", 3, 0, len(pairs))
    body = b"".join(_text(key) + struct.pack("<I", kind) + value for key, kind, value in pairs)
    path.write_bytes(head + body)
    return path


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    _gguf(tmp_path / "m-q8_0.gguf", (artifact.DIALECT_KEY, 8, _text("hermes")))
    files = [
        artifact.describe(tmp_path, "model.safetensors", "safetensors"),
        artifact.describe(tmp_path, "m-q8_0.gguf", "q8_0"),
        artifact.describe(tmp_path, "config.json"),
    ]
    made = Artifact("m", "hermes", "qwen3", "0" * 64, tuple(files), Origin(base="none", recipe="r.toml"))
    artifact.write(made, tmp_path)
    return tmp_path


def test_a_manifest_survives_the_disk(folder: Path) -> None:
    made = artifact.load(folder)
    assert made.formats() == ("safetensors", "q8_0") and made.origin.recipe == "r.toml"
    artifact.write(made, folder)
    assert artifact.verify(folder) == made
    assert not list(folder.glob(".*")), "a temporary file was left behind"


@pytest.mark.parametrize("content", [b"weightz", b"weights and more"])
def test_a_changed_file_is_named(folder: Path, content: bytes) -> None:
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(ToolfinchError, match=r"model\.safetensors"):
        artifact.verify(folder)


def test_a_lost_file_is_named(folder: Path) -> None:
    (folder / "config.json").unlink()
    with pytest.raises(ToolfinchError, match=r"config\.json: missing"):
        artifact.verify(folder)


def test_the_digest_moves_with_any_file_and_not_with_their_order(folder: Path) -> None:
    made = artifact.load(folder)
    turned = msgspec.structs.replace(made, files=made.files[::-1])
    assert turned.digest() == made.digest()
    other = File(made.files[0].path, "f" * 64, made.files[0].size)
    assert msgspec.structs.replace(made, files=(other, *made.files[1:])).digest() != made.digest()


@pytest.mark.parametrize("path", ["/etc/passwd", "../outside", "a/../../b", "..\\outside", "C:x"])
def test_a_manifest_cannot_point_out_of_its_folder(folder: Path, path: str) -> None:
    made = artifact.load(folder)
    artifact.write(msgspec.structs.replace(made, files=(File(path, "0" * 64, 1),)), folder)
    with pytest.raises(UsageError, match="leaves the folder"):
        artifact.verify(folder)


def test_a_broken_manifest_names_the_key(folder: Path) -> None:
    path = folder / artifact.MANIFEST
    path.write_bytes(path.read_bytes().replace(b'"size"', b'"seize"', 1))
    with pytest.raises(UsageError, match=r"toolfinch\.json.*size"):
        artifact.load(folder)


def test_find_picks_the_format(folder: Path) -> None:
    found = artifact.find(folder)
    assert (found.kind, found.path, found.dialect) == ("transformers", folder, "hermes")
    found = artifact.find(folder, format="q8_0")
    assert (found.kind, found.path) == ("gguf", folder / "m-q8_0.gguf")
    with pytest.raises(UsageError, match=r"no format 'q4_k_m'.*safetensors, q8_0"):
        artifact.find(folder, format="q4_k_m")


def test_find_without_a_manifest_needs_the_dialect(folder: Path) -> None:
    (folder / artifact.MANIFEST).unlink()
    with pytest.raises(UsageError, match="dialect"):
        artifact.find(folder)
    assert artifact.find(folder, dialect="react").dialect == "react"
    assert artifact.find(folder / "m-q8_0.gguf").dialect == "hermes"
    assert artifact.find(folder / "m-q8_0.gguf", dialect="react").dialect == "react"


@pytest.mark.parametrize("what", ["nowhere", "empty"])
def test_find_refuses_what_is_no_model(tmp_path: Path, what: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=what):
        artifact.find(tmp_path / what, dialect="hermes")


def test_gguf_text_passes_over_every_kind_of_value(tmp_path: Path) -> None:
    strings = struct.pack("<IQ", 8, 2) + _text("a") + _text("é")
    nested = struct.pack("<IQ", 9, 1) + struct.pack("<IQ", 5, 3) + bytes(12)
    path = _gguf(
        tmp_path / "x.gguf",
        ("u8", 0, b"\1"),
        ("f64", 12, bytes(8)),
        ("bool", 7, b"\1"),
        ("text", 8, _text("x" * 300)),
        ("strings", 9, strings),
        ("nested", 9, nested),
        ("wanted", 8, _text("Ünïcode")),
    )
    assert artifact.gguf_text(path, "wanted") == "Ünïcode"
    assert artifact.gguf_text(path, "other") == ""


@pytest.mark.parametrize("cut", [0, 3, 20, 40])
def test_a_cut_gguf_is_refused(tmp_path: Path, cut: int) -> None:
    whole = _gguf(tmp_path / "x.gguf", ("some.key", 8, _text("value")), ("other", 8, _text("v")))
    whole.write_bytes(whole.read_bytes()[:cut])
    with pytest.raises(UsageError, match=r"x\.gguf: not a GGUF file"):
        artifact.gguf_text(whole, "other")
