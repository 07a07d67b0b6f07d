"""The models that ship with the package: so far one, `fledgling`, the embedded base."""

from __future__ import annotations

from pathlib import Path

from toolfinch.errors import UsageError

HERE = Path(__file__).parent


def packaged() -> tuple[str, ...]:
    """Names of the models whose weights are inside this package."""
    return tuple(sorted(p.parent.name for p in HERE.glob("*/config.json")))


def fledgling_template() -> str:
    """The chat template of the embedded base."""
    return (HERE / "fledgling" / "chat_template.jinja").read_text(encoding="utf-8")


def base_folder(base: str) -> Path:
    """The folder of a base by name or path; raises UsageError saying how to get it."""
    if base in packaged():
        return HERE / base
    folder = Path(base)
    if (folder / "config.json").is_file():
        return folder
    raise UsageError(
        f"{base!r}: no model of that name ships with the package, and no folder holds its config.json",
        hint=f"packaged: {', '.join(packaged()) or 'none'}; from the hub: hf download {base} "
        f"--local-dir {Path(base).name}, then give {Path(base).name}",
    )
