"""`Recipe`: a run declared in TOML, read into frozen structs, saved beside what it made.

A wrong key or type is refused naming the file and the path: `mine.toml: lora.rank: expected int, got str`.
Relative paths in a recipe are read from the current folder, as on the command line.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from toolfinch.errors import RecipeError, UsageError

T = TypeVar("T")

PACKAGED = Path(__file__).parent / "recipes"


def find(name: str) -> Path:
    """A recipe by path, or by the name of one that ships with the package."""
    path = Path(name)
    if path.is_file():
        return path
    packaged = PACKAGED / f"{name.removesuffix('.toml')}.toml"
    if packaged.is_file():
        return packaged
    known = ", ".join(sorted(p.stem for p in PACKAGED.glob("*.toml")))
    raise UsageError(f"{name}: no such recipe", hint=f"give a TOML file, or one of: {known}")


def load(path: Path, kind: type[T]) -> T:
    """Read a TOML recipe as `kind`; raises RecipeError naming the file and the key."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from error
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path}: not TOML: {error}") from error
    return convert(raw, kind, str(path))


def convert(raw: Any, kind: type[T], where: str) -> T:
    """Check plain data against `kind`."""
    try:
        return msgspec.convert(raw, kind, strict=True)
    except msgspec.ValidationError as error:
        raise RecipeError(f"{where}: {_readable(str(error))}") from error


def _readable(message: str) -> str:
    """msgspec's `Expected `int`, got `str` - at `$.lora.rank`` as `lora.rank: expected int, got str`."""
    text, _, at = message.partition(" - at ")
    path = at.strip("`").removeprefix("$").removeprefix(".")
    text = text.replace("`", "")
    text = text[:1].lower() + text[1:]
    unknown = re.fullmatch(r"object contains unknown field (\S+)", text)
    if unknown:
        return f"{path + '.' if path else ''}{unknown.group(1)}: no such key"
    missing = re.fullmatch(r"object missing required field (\S+)", text)
    if missing:
        return f"{path + '.' if path else ''}{missing.group(1)}: missing"
    return f"{path}: {text}" if path else text


def difference(before: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "") -> str:
    """The first key whose value is not the same, with both values; empty where all are."""
    for key in {**before, **now}:
        was, is_now = before.get(key), now.get(key)
        if isinstance(was, Mapping) and isinstance(is_now, Mapping):
            if found := difference(was, is_now, f"{prefix}{key}."):
                return found
        elif was != is_now:
            return f"{prefix}{key} was {was!r:.20}, is {is_now!r:.20}"
    return ""


def save(recipe: msgspec.Struct, path: Path, comment: str) -> None:
    """Write a resolved recipe as TOML, its first line the command that runs it."""
    text = f"# {comment}\n" + to_toml(msgspec.to_builtins(recipe))
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def to_toml(table: dict[str, Any], prefix: str = "") -> str:
    """TOML of nested tables of plain values; None is left out, as TOML has no null."""
    lines = [f"{k} = {_value(v)}" for k, v in table.items() if v is not None and not isinstance(v, dict)]
    for key, value in table.items():
        if isinstance(value, dict):
            name = f"{prefix}{key}"
            lines.append(f"\n[{name}]\n{to_toml(value, name + '.')}".rstrip("\n"))
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_value(v) for v in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k} = {_value(v)}" for k, v in value.items() if v is not None) + "}"
    if isinstance(value, str):
        # A JSON string is a TOML basic string, but for DEL, which TOML wants escaped.
        return msgspec.json.encode(value).decode().replace("\x7f", "\\u007f")
    return repr(value)
