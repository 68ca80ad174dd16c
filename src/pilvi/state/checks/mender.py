"""Putting right what can be put right. What seems to be nobody's is moved to `lost+found`, never removed."""

import contextlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pilvi.state.connection import Session
from pilvi.state.files import BlobFiles

LOST = "lost+found"
BATCH = 500  # changes that share a commit


class Mender:
    """Any thread. `close` makes the last changes durable."""

    def __init__(self, session: Session, folder: Path, files: BlobFiles) -> None:
        self._session = session
        self._lost = folder / LOST
        self._files = files
        self._lock = threading.Lock()
        self._changes = 0
        self._after: list[Callable[[], None]] = []

    def recount(self, blob: int, refs: int) -> None:
        self._change("UPDATE blobs SET refs = ? WHERE id = ?", (refs, blob))

    def remember(self, blob: int, checksum: int) -> None:
        """The checksum of a file that has none."""
        self._change("UPDATE blobs SET crc = ? WHERE id = ? AND crc IS NULL", (checksum, blob))

    def vouch(self, sql: str, checksum: int, key: tuple[Any, ...]) -> None:
        """The checksum of a record that has none."""
        self._change(sql, (checksum, *key))

    def lose(self, blob: int, file: str | None) -> None:
        """Takes a blob that nothing holds out of the database; its bytes go to lost+found."""
        if file is None:
            with self._lock:
                data = self._session.execute("SELECT data FROM blobs WHERE id = ?", (blob,)).fetchone()[0]
            (self._lost / f"blob-{blob}").unlink(missing_ok=True)
            self.keep(f"blob-{blob}", data or b"")
            self._change("DELETE FROM blobs WHERE id = ?", (blob,))
            return
        self._folder()
        path = self._files.path(file)
        if path.exists():
            with contextlib.suppress(FileExistsError):  # of a repair that was broken off
                os.link(path, self._lost / file)
        self._change("DELETE FROM blobs WHERE id = ?", (blob,), lambda: path.unlink(missing_ok=True))

    def move(self, file: str) -> None:
        """A file without a row."""
        self._folder()
        self._files.path(file).rename(self._lost / file)

    def keep(self, name: str, data: bytes) -> None:
        """Writes bytes to the end of a file in lost+found, durably."""
        self._folder()
        with (self._lost / name).open("ab") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    def drop_event(self, entry: int) -> None:
        self._change("DELETE FROM outbox WHERE id = ?", (entry,))

    def reindex(self) -> None:
        """Makes the database's indexes anew from its tables."""
        with self._lock:
            self._commit()
            self._session.execute("REINDEX")

    def close(self) -> None:
        with self._lock:
            self._commit()
        self._session.close()

    def _folder(self) -> None:
        self._lost.mkdir(mode=0o700, exist_ok=True)

    def _change(self, sql: str, values: tuple[Any, ...], after: Callable[[], None] | None = None) -> None:
        with self._lock:
            if not self._changes:
                self._session.execute("BEGIN IMMEDIATE")
            self._session.execute(sql, values)
            self._changes += 1
            if after is not None:
                self._after.append(after)
            if self._changes >= BATCH:
                self._commit()

    def _commit(self) -> None:
        if self._changes:
            self._session.execute("COMMIT")
            self._changes = 0
        for after in self._after:
            after()
        self._after.clear()
