"""`pilvi down`: asks the server to stop and waits until it has."""

import os
import signal
import time
from pathlib import Path

from pilvi.cli import folder, terminal
from pilvi.config import Exit, StartError

POLL_SECONDS = 0.02
GRACE_SECONDS = 15


def run(data: Path, drain_seconds: int) -> int:
    """Returns when the process is gone; says so when it takes longer than draining may."""
    running = folder.running(data)
    try:
        os.kill(running.pid, signal.SIGTERM)
    except PermissionError:
        raise StartError(f"the cloud on {data} (pid {running.pid}) belongs to another user") from None
    except ProcessLookupError:
        pass
    deadline = time.monotonic() + drain_seconds + GRACE_SECONDS
    while folder.birth_of(running.pid) == running.birth:
        if time.monotonic() > deadline:
            raise StartError(f"the server (pid {running.pid}) still stops; `pilvi logs` tells what it waits for")
        time.sleep(POLL_SECONDS)
    terminal.say(f"stopped (pid {running.pid}); everything is kept in {data}")
    return Exit.OK
