"""Writing to people: one-line errors, and a little bold where the terminal has it."""

import os
import sys
from typing import TextIO

BOLD = "1"
DIM = "2"
RED = "31"
GREEN = "32"
YELLOW = "33"


def styled(text: str, *codes: str, stream: TextIO | None = None) -> str:
    """The text in that style (ECMA-48 SGR codes), or plain where the stream is no terminal or NO_COLOR is set."""
    target = stream or sys.stdout
    if not codes or not target.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return f"\033[{';'.join(codes)}m{text}\033[0m"


def say(text: str = "") -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def complain(message: str) -> None:
    """One line on standard error."""
    line = " ".join(message.split())
    sys.stderr.write(f"{styled('error:', RED, BOLD, stream=sys.stderr)} {line}\n")
    sys.stderr.flush()
