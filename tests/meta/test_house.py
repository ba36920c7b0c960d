"""The house stays a house: imports run downwards, files stay small, everything public is told."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "lmtune"
FLOORS = [
    {"credentials"},
    {"errors", "machine"},
    {"spec"},
    {"datasets", "models"},
    {"training"},
    {"records", "planning"},
    {"tracking"},
    {"tuning"},
    {"analysis"},
]
FILES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES = 400
MAX_FUNCTION_LINES = 60


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def _floor(module: str) -> int:
    """The floor of a module's room; the commands stand above all rooms."""
    for number, rooms in enumerate(FLOORS):
        if _room(module) in rooms:
            return number
    return len(FLOORS)


def _imports(path: Path) -> Iterator[tuple[str, int, bool]]:
    """Imported lmtune modules, with the line and whether it stands inside a function."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            if name.split(".")[0] == "lmtune":
                yield name, node.lineno, id(node) in inside


@pytest.mark.parametrize("path", FILES, ids=_module)
def test_imports_when_read_run_downwards_only(path: Path) -> None:
    module = _module(path)
    for name, line, _ in _imports(path):
        same_room = _room(name) == _room(module)
        assert same_room or _floor(name) < _floor(module) or _floor(module) == len(FLOORS), (
            f"{path}:{line}: {module} imports {name} from a floor that is not below it"
        )


def test_imports_when_followed_make_no_circle() -> None:
    modules = {_module(path) for path in FILES}
    graph = {
        _module(path): {name for name, *_ in _imports(path) if name in modules} for path in FILES
    }
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join((*trail, module))
        if module not in done:
            for imported in sorted(graph[module]):
                visit(imported, (*trail, module))
            done.add(module)

    for module in sorted(graph):
        visit(module, ())


@pytest.mark.parametrize("path", FILES, ids=_module)
def test_imports_when_inside_a_function_are_deferred_at_a_front_door(path: Path) -> None:
    hidden = [name for name, _, is_inside in _imports(path) if is_inside]
    assert not hidden or _floor(_module(path)) == len(FLOORS), f"{path} hides imports of {hidden}"


@pytest.mark.parametrize("path", FILES, ids=_module)
def test_files_when_measured_are_small_and_documented(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= MAX_LINES, f"{path} has become two files"
    assert text.isascii(), f"{path} holds characters outside ASCII"
    tree = ast.parse(text)
    assert ast.get_docstring(tree), f"{path} does not say what it is for"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            docstring = ast.get_docstring(node, clean=False) or ""
            lines = node.end_lineno - node.lineno - docstring.count("\n")
            assert lines <= MAX_FUNCTION_LINES, f"{path}:{node.lineno}: {node.name}: {lines} lines"


def test_weights_when_read_are_never_unpickled() -> None:
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        assert "torch.load(" not in text, path
        assert "pickle.load" not in text, path
        assert "yaml.load(" not in text, path
