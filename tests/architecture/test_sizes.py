"""Files and functions stay small enough to be read."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 60
# What may be longer, and why.
LONG_FILES: dict[str, str] = {
    "src/pilvi/gateway/connection.py": "one state machine: what a connection may do next is readable only in one place",
}
LONG_FUNCTIONS: dict[str, str] = {
    "src/pilvi/wire/auth_problems.py:_others": "a table of sentences",
}


def sources() -> list[Path]:
    found = [path for folder in ("src", "tools", "benchmarks", "examples") for path in (ROOT / folder).rglob("*.py")]
    return [path for path in found if path.name != "types.py" or path.parent.parent.name != "services"]


def functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            yield node.name, node.end_lineno - node.lineno + 1


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_are_short(path: Path) -> None:
    """A file has at most 500 lines and a function at most 60, but for the reasoned exceptions."""
    name = str(path.relative_to(ROOT))
    lines = len(path.read_text().splitlines())
    assert lines <= FILE_LINES_MAX or name in LONG_FILES, f"{lines} lines"
    too_long = {f"{name}:{function}": count for function, count in functions(path) if count > FUNCTION_LINES_MAX}
    assert too_long.keys() <= LONG_FUNCTIONS.keys(), too_long


def test_no_exception_outlives_its_reason() -> None:
    """A file or function that became short leaves the list."""
    for name in LONG_FILES:
        assert len((ROOT / name).read_text().splitlines()) > FILE_LINES_MAX, name
    for entry in LONG_FUNCTIONS:
        name, _, function = entry.partition(":")
        assert max(count for found, count in functions(ROOT / name) if found == function) > FUNCTION_LINES_MAX, entry
