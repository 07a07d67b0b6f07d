"""What all tests share: property tests without a time limit (machines are noisy), a tiny model in two formats."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from tiny_models import tiny_model

settings.register_profile("toolfinch", deadline=None)
# What CI says depends on the commit alone; new examples are looked for wherever else the tests are run.
settings.register_profile("ci", deadline=None, derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "toolfinch")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A transformers folder of random weights."""
    return tiny_model(tmp_path_factory.mktemp("models") / "tiny", dtype="float32")


@pytest.fixture(scope="module")
def gguf(folder: Path) -> Path:
    """The same model as a GGUF file."""
    pytest.importorskip("llama_cpp")
    from toolfinch.export.gguf import write_gguf

    write_gguf(folder, folder.parent / "tiny.gguf", "f32", dialect="hermes", name="tiny")
    return folder.parent / "tiny.gguf"
