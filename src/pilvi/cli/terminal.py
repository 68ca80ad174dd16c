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


def open_closed_streams() -> None:
    """Gives standard streams that are closed (`pilvi up -d >&-`) to nowhere: else the next file opened would be one."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


def give_up_output() -> None:
    """What still waits to be written goes nowhere: else the interpreter complains once more while it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def say(text: str = "") -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def complain(message: str) -> None:
    """One line on standard error."""
    line = " ".join(message.split())
    sys.stderr.write(f"{styled('error:', RED, BOLD, stream=sys.stderr)} {line}\n")
    sys.stderr.flush()
