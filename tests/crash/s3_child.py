"""The process that is killed in a story of object storage: see crash.mortal; "story", "known": which, and its beginning."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from typing import Any

from crash.mortal import Fate, MortalDisk, serve, watch_statements
from crash.s3_stories import STORIES, small_parts
from harness import SeededIds
from s3kit import Buckets


def run(order: dict[str, Any]) -> int:
    """The story; the number of events. Each commit that its teller was told of is written down."""
    fate = Fate(order["kill_at"], armed=False)
    watch_statements(fate, every=False)
    with open(order["acks"], "ab", buffering=0) as acks, small_parts():
        s3 = Buckets(Path(order["folder"]), disk=MortalDisk(fate))
        s3.ids = SeededIds(1)
        on_write(s3, lambda: acks.write(b"."))
        fate.armed = True
        STORIES[order["story"]].tell(s3, order["known"])
        fate.armed = False
        s3.store.close()
    return fate.count


def on_write(s3: Buckets, told: Any) -> None:
    """Calls `told` after each transaction of the teller's."""
    original = s3.store.write

    def write(attempt: Any) -> Any:
        result = original(attempt)
        if threading.current_thread() is threading.main_thread():
            told()
        return result

    s3.store.write = write  # type: ignore[method-assign]


def warm_up() -> None:
    """Imports and makes all that a story needs, so that no child must."""
    with tempfile.TemporaryDirectory() as folder, small_parts(), Buckets(Path(folder)) as s3:
        known = STORIES["copies"].begin(s3)
        STORIES["copies"].tell(s3, known)


if __name__ == "__main__":
    warm_up()
    serve(run)
