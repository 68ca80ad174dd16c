"""House rules that a linter does not know."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SERVICES = sorted(path.parent for path in (ROOT / "src/pilvi/services").glob("*/__init__.py"))
SLEEP = re.compile(r"(time|asyncio)\.sleep\((?!0\))")  # sleep(0) lets others run; it waits for nothing
SLEEPERS = {
    "tests/properties/test_outbox_worker.py": "lets the writer's thread run between two rules; no claim waits for it",
}
UNFINISHED = re.compile(r"\b(TOD[O]|FIXM[E]|XX[X]|HAC[K])\b")
# Whose home it is, and where in it this was written. (Hostile code asks for anybody's .ssh: that is not where.)
HOME = "" if Path.home() == Path("/") else rf"|(?<!/1){re.escape(str(Path.home()))}/(?!\.ssh)"
HERE = re.compile(re.escape(str(ROOT)) + r"\b" + HOME)


def files() -> list[Path]:
    """All that is written by hand: what git knows or would, else (in a copy without git) what does not look made."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        found = [ROOT / name for name in listed.stdout.splitlines()]
    else:
        made = {".venv", ".cache", "build", "dist", "__pycache__"}
        found = [path for path in ROOT.rglob("*") if not made & set(path.relative_to(ROOT).parts)]
    return [path for path in found if path.suffix in {".py", ".md", ".toml", ".sh", ""} and path.is_file()]


def written_tests() -> list[Path]:
    return sorted((ROOT / "tests").rglob("test_*.py"))


def run(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_imports_go_downwards_only() -> None:
    """The layers and the independence of services, as pyproject.toml states them."""
    run(str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache")


def test_generated_types_are_those_of_the_models() -> None:
    """Nobody edits generated code, and nobody forgets to generate it."""
    run(sys.executable, "tools/generate_types.py", "--check")


def test_nothing_is_left_to_do() -> None:
    """What is not done is listed in a DIVERGENCES.md or an issue, not in a comment."""
    found = [str(path.relative_to(ROOT)) for path in files() if UNFINISHED.search(path.read_text(errors="replace"))]
    assert not found


def test_nothing_speaks_of_the_machine_it_was_written_on() -> None:
    """Paths of a developer's machine mean nothing to others."""
    found = [path for path in files() if HERE.search(path.read_text(errors="replace"))]
    assert not [str(path.relative_to(ROOT)) for path in found]


@pytest.mark.parametrize("folder", SERVICES, ids=lambda folder: folder.name)
def test_each_service_tells_where_it_departs_from_aws(folder: Path) -> None:
    """DIVERGENCES.md is there and says something."""
    assert len((folder / "DIVERGENCES.md").read_text().split()) > 20


@pytest.mark.parametrize("folder", SERVICES, ids=lambda folder: folder.name)
def test_each_service_has_a_conformance_test(folder: Path) -> None:
    """A service is driven by boto3 against the real server."""
    name = folder.name.rstrip("_")
    assert list((ROOT / "tests/conformance").glob(f"test_{name}*.py"))


@pytest.mark.parametrize("path", written_tests(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_test_says_what_it_claims_and_does_not_sleep(path: Path) -> None:
    """Every test function has a docstring, and no test file sleeps."""
    silent, sleeps = [], []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and not ast.get_docstring(node):
            silent.append(node.name)
        if isinstance(node, ast.Call) and SLEEP.match(ast.unparse(node)):
            sleeps.append(node.lineno)
    assert not silent
    assert not sleeps or str(path.relative_to(ROOT)) in SLEEPERS


def test_only_the_composition_root_names_a_backend() -> None:
    """`SqliteStore` is imported by app.py alone (and by tests)."""
    found = [path for path in (ROOT / "src").rglob("*.py") if "state.sqlite import" in path.read_text()]
    assert [path.name for path in found if path.parent.name != "state"] == ["app.py"]


def test_async_stays_at_the_edge() -> None:
    """`async def` is written only in the gateway, the runtime, the event workers, and where they are put together."""
    allowed = {"gateway", "runtime", "events"}
    found = []
    for path in (ROOT / "src/pilvi").rglob("*.py"):
        parts = path.relative_to(ROOT / "src/pilvi").parts
        if parts[0] not in allowed and parts != ("app.py",):
            found += [
                str(path.relative_to(ROOT))
                for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, ast.AsyncFunctionDef)
            ]
    assert not found
