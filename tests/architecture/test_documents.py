"""What is built is documented, and what is documented exists."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main

from pilvi import services
from pilvi.cli.commands import app
from pilvi.config import OPTIONS, Exit

ROOT = Path(__file__).resolve().parents[2]
CLI = (ROOT / "docs/cli.md").read_text()
CONFIGURATION = (ROOT / "docs/configuration.md").read_text()
SERVICES = (ROOT / "docs/services.md").read_text()
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text()
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]


def commands(group: Any, path: str) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, command in sorted(group.commands.items()):
        here = f"{path} {name}"
        found += commands(command, here) if hasattr(command, "commands") else [(here, command)]
    return found


COMMANDS = commands(typer.main.get_command(app), "pilvi")


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=[path for path, _ in COMMANDS])
def test_every_command_and_its_options_are_documented(path: str, command: Any) -> None:
    """docs/cli.md has a section for the command, which names each of its options and arguments."""
    section = re.search(rf"^##+ `{re.escape(path)}`\n(.*?)(?=^##+ |\Z)", CLI, re.MULTILINE | re.DOTALL)
    assert section, f"no section for {path}"
    for parameter in command.params:
        names = [name for name in parameter.opts if name.startswith("--")] or [parameter.metavar]
        if parameter.name not in {"help", *(option.name for option in OPTIONS), "config"}:
            assert any(f"`{name}" in section[1] for name in names), f"{path} {names}"


def test_every_setting_is_an_option_of_up() -> None:
    """As docs/cli.md says: also where typer reads the command line, for its help and beside a mistake."""
    [up] = [command for path, command in COMMANDS if path == "pilvi up"]
    known = {name for parameter in up.params for name in parameter.opts}
    assert {option.switch for option in OPTIONS if not option.hidden} <= known


@pytest.mark.parametrize("code", list(Exit))
def test_every_exit_code_is_documented(code: Exit) -> None:
    """Scripts can rely on them."""
    assert re.search(rf"^\| {int(code)} \| ", CLI, re.MULTILINE)


def test_settings_and_operations_are_documented_as_they_are() -> None:
    """The generated parts of docs/configuration.md and docs/services.md are those that the code gives."""
    command = [sys.executable, "tools/generate_docs.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(f"`{option.switch}" in CONFIGURATION for option in OPTIONS)
    for name, service in services.discover().items():
        section = re.search(rf"^### {name}\n(.*?)(?=^### |\Z)", SERVICES, re.MULTILINE | re.DOTALL)
        assert section, f"no section for {name}"
        assert all(f"`{operation}`" in section[1] for operation in service.operations)


def test_every_invariant_names_a_test_that_exists() -> None:
    """ARCHITECTURE.md promises nothing that no test holds."""
    invariants = re.findall(r"^- \*\*.*?(?=^- |^#|\Z)", ARCHITECTURE, re.MULTILINE | re.DOTALL)
    assert len(invariants) >= 10
    for invariant in invariants:
        named = re.findall(r"`(tests/[\w/.]+?)(?:::(\w+))?`", invariant)
        assert named, invariant
        for path, function in named:
            assert (ROOT / path).exists(), path
            assert not function or f"def {function}(" in (ROOT / path).read_text(), f"{path}::{function}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_inside_the_repository_lead_somewhere(document: Path) -> None:
    """No document points at a file that is not there."""
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", document.read_text()):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (document.parent / target).exists(), target
