"""Imports go down the floors, and the command line answers without a heavy library."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "toolfinch"
FLOORS = [
    {
        "tool",
        "message",
        "example",
        "caller",
        "score",
        "grounding",
        "schema",
        "artifact",
        "errors",
        "recipe",
        "models",
    },
    {"dialects", "toolbox"},
    {"decode", "callers", "retrieve"},
    {"data", "train", "export", "evaluate"},
    {"serve"},
    {"cli"},
    {"__main__"},
]
HEAVY = (
    "torch",
    "transformers",
    "llama_cpp",
    "trl",
    "peft",
    "datasets",
    "gguf",
    "starlette",
    "uvicorn",
    "ray",
)
FLOOR_OF = {part: number for number, floor in enumerate(FLOORS) for part in floor}


def imports(path: Path) -> list[tuple[str, int, bool]]:
    """(module, line, at the top of the module) of every import in a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    top = set(map(id, tree.body))
    found = []
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            names = [node.module or ""]
            if node.module == "toolfinch":
                names = [f"toolfinch.{alias.name}" for alias in node.names]
        found += [(name, node.lineno, id(node) in top) for name in names]
    return found


def modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_go_down(path: Path) -> None:
    part = path.relative_to(SOURCE).with_suffix("").parts[0]
    if part == "__init__":
        assert not [m for m, _, _ in imports(path) if m.startswith("toolfinch.")]
        return
    for module, line, _ in imports(path):
        if module.startswith("toolfinch.") and not module.startswith("toolfinch.__"):
            other = module.split(".")[1]
            assert FLOOR_OF[other] <= FLOOR_OF[part], (
                f"{path}:{line}: {part} imports {other}, a floor above it"
            )


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(SOURCE)))
def test_heavy_libraries_are_imported_inside_functions(path: Path) -> None:
    for module, line, at_top in imports(path):
        assert not (at_top and module.split(".")[0] in HEAVY), f"{path}:{line}: {module} at the top"


def test_no_circle_of_modules() -> None:
    edges: dict[str, set[str]] = {}
    names = {".".join(("toolfinch", *p.relative_to(SOURCE).with_suffix("").parts)) for p in modules()}
    for path in modules():
        me = ".".join(("toolfinch", *path.relative_to(SOURCE).with_suffix("").parts))
        edges[me] = {m for m, _, top in imports(path) if top and m in names}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail, name))
        if name not in done:
            for other in edges[name]:
                visit(other, (*trail, name))
            done.add(name)

    for name in edges:
        visit(name, ())


def test_files_are_short() -> None:
    long = {p: n for p in modules() if (n := len(p.read_text(encoding="utf-8").splitlines())) > 600}
    assert not long


@pytest.mark.parametrize(
    "code", ["import toolfinch", "from toolfinch.cli.main import main; main(['--help'])"]
)
def test_light_start(code: str) -> None:
    check = f"import sys; {code}; print('HEAVY', [m for m in {HEAVY!r} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert "HEAVY []" in out.stdout
