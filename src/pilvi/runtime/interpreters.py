"""Which runtimes this machine has: Python 3.11 and later, found by file name. Nothing is started to find out."""

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

MINORS = range(11, 31)
_ELF = b"\x7fELF"


def find(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """AWS's runtime identifier -> path of the interpreter. Our own comes first, then the order of PATH."""
    found = {_name(sys.version_info.minor): os.path.realpath(sys.executable)}
    for folder in _folders(environ):
        for minor in MINORS:
            name = _name(minor)
            if name not in found:
                path = os.path.realpath(folder / name)
                if _is_program(path):
                    found[name] = path
    return found


def _name(minor: int) -> str:
    return f"python3.{minor}"


def _folders(environ: Mapping[str, str]) -> Iterator[Path]:
    yield from (Path(part) for part in environ.get("PATH", "").split(":") if part.startswith("/"))
    yield from (Path("/usr/local/bin"), Path("/usr/bin"), Path("/opt/homebrew/bin"))
    home = Path(environ.get("HOME", "/nonexistent"))
    pyenv = Path(environ.get("PYENV_ROOT", home / ".pyenv"))
    data = Path(environ.get("XDG_DATA_HOME", home / ".local/share"))
    uv = Path(environ.get("UV_PYTHON_INSTALL_DIR", data / "uv/python"))
    for installed in (pyenv / "versions", uv):
        with contextlib.suppress(OSError):  # absent, or somebody else's
            yield from (installed / name / "bin" for name in sorted(os.listdir(installed), reverse=True))  # noqa: PTH208


def _is_program(path: str) -> bool:
    """A binary, not one of the shell scripts that version managers put into PATH."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - a start looks at a hundred of them
            return file.read(4) == _ELF and os.access(path, os.X_OK)
    except OSError:
        return False
