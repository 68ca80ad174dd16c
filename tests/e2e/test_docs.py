"""What the documents show is run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from commands import Home

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```(sh|python) run\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def script_of(document: Path) -> str:
    """The document's runnable blocks as one bash script: they share variables, as in a reader's terminal."""
    parts = []
    for language, block in BLOCK.findall(document.read_text()):
        parts.append(block if language == "sh" else f"python - <<'END_OF_BLOCK'\n{block}END_OF_BLOCK\n")
    return "\n".join(parts)


DOCUMENTS = [path for path in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")) if script_of(path)]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_blocks_of_a_document_work_one_after_the_other(document: Path, home: Home) -> None:
    """A reader who types what the document shows meets no error."""
    done = home.shell(script_of(document))
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr


def test_getting_started_shows_what_it_says(home: Home) -> None:
    """The outcomes that the text promises: the note is listed, the function answers, the guest may not delete."""
    done = home.shell(script_of(ROOT / "docs/getting-started.md"))
    assert "today.txt" in done.stdout
    assert "b'buy bread'" in done.stdout
    assert "AccessDenied" in done.stderr
    assert done.stdout.count("buy milk") == 1


def test_something_is_run() -> None:
    """The marks were not lost."""
    assert ROOT / "docs/getting-started.md" in DOCUMENTS
