"""Give a transformers folder its manifest: what its files are, which dialect it writes, where it came from.

For a model that was just made (merged, pretrained) and stays where it is; `bundle.export` makes an artifact
elsewhere, in several formats.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from toolfinch import __version__, artifact
from toolfinch.artifact import Artifact, Origin
from toolfinch.export.bundle import MODEL_FILES, SAFETENSORS, TEMPLATE
from toolfinch.export.gguf import load_config
from toolfinch.export.vocab import chat_template


def label(folder: Path, *, dialect: str, name: str, origin: Origin) -> Artifact:
    """Write and return the manifest of the model in `folder`."""
    weights = sorted(path.name for path in folder.glob("*.safetensors"))
    others = [file for file in (*MODEL_FILES, TEMPLATE) if (folder / file).is_file()]
    made = Artifact(
        name=name,
        dialect=dialect,
        architecture=load_config(folder).model_type,
        chat_template_sha256=hashlib.sha256(chat_template(folder).encode()).hexdigest(),
        files=tuple(
            artifact.describe(folder, file, SAFETENSORS if file in weights else "")
            for file in (*weights, *others)
        ),
        origin=msgspec.structs.replace(
            origin,
            created_by=f"toolfinch {__version__}",
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        ),
    )
    artifact.write(made, folder)
    return made
