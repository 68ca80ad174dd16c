"""The passes over blobs: their counts, their bytes, and the files that hold the large ones."""

import os
import time
import zlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

import msgspec

from pilvi.state.checks.findings import Kind
from pilvi.state.checks.tally import Tally
from pilvi.state.checks.wanted import STEP, Run
from pilvi.state.checksums import file_checksum
from pilvi.state.still import Still, StillFolder

READERS = 2  # files that are read at once
WAITING_MAX = 64  # files that wait to be read
IDLE_SECONDS_MAX = 3_600.0  # of a running server's file without a row, until it is one that was left over

_PAGE = "SELECT id, size, crc, file, data FROM blobs ORDER BY id"


class LargeBlob(msgspec.Struct, frozen=True):
    """A row that names a file. `checksum` is None where none was kept."""

    id: int
    size: int
    checksum: int | None
    file: str


def check_counts(run: Run, still: Still, tally: Tally, *, certain: bool) -> set[int]:
    """Every blob is counted as often as it is held. The blobs that are held and not there.

    Args:
        certain: the tally is complete; otherwise nothing is repaired.
    """
    mender = run.mender if certain else None
    total = still.execute("SELECT count(*) FROM blobs").fetchone()[0]
    for done, (blob, refs, file) in enumerate(still.rows("SELECT id, refs, file FROM blobs ORDER BY id"), 1):
        if done % STEP == 0:
            run.step("counts", done, total)
        held = tally.take(blob)
        if held == refs or not certain:
            continue
        if held:
            if mender is not None:
                mender.recount(blob, held)
            what = f"is counted {refs} times and held {held} times"
            run.findings.add(Kind.COUNT, f"blob {blob}", what, repaired=mender is not None)
        else:
            if mender is not None:
                mender.lose(blob, file)
            where = "moved to lost+found" if mender is not None else "nobody's"
            run.findings.add(Kind.UNHELD, f"blob {blob}", f"no record holds it: {where}", repaired=mender is not None)
    missing = set(tally)
    for blob in sorted(missing):
        run.findings.add(Kind.MISSING, f"blob {blob}", "a record holds it, and it is not there")
    return missing


def check_bytes(run: Run, folder: StillFolder) -> set[int]:
    """Every blob's stored bytes have their checksum. The blobs whose bytes do not."""
    damaged: set[int] = set()
    waiting: deque[Future[int]] = deque()
    with folder.snapshot() as still, ThreadPoolExecutor(READERS, "pilvi-check-file") as pool:
        total = still.execute("SELECT count(*) FROM blobs").fetchone()[0]
        try:
            for done, (blob, size, crc, file, data) in enumerate(still.rows(_PAGE), 1):
                if done % STEP == 0:
                    run.step("blobs", done, total)
                if file is not None:
                    waiting.append(pool.submit(_check_file, run, folder, LargeBlob(blob, size, crc, file)))
                    while len(waiting) > WAITING_MAX:
                        damaged.add(waiting.popleft().result())
                    run.findings.checked["files"] += 1
                elif data is None or len(data) != size or zlib.crc32(data) != crc:
                    run.findings.add(Kind.BYTES, f"blob {blob}", "its bytes in data.db are not those that were stored")
                    damaged.add(blob)
                run.findings.checked["blobs"] += 1
                run.findings.checked["bytes"] += size
            while waiting:
                run.step("blobs", total, total)
                damaged.add(waiting.popleft().result())
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return damaged - {0}


def _check_file(run: Run, folder: StillFolder, blob: LargeBlob) -> int:
    """The blob's id if its bytes are damaged, else 0."""
    try:
        fd = os.open(folder.files.path(blob.file), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return _damaged(run, blob, "is gone")
    except OSError as error:
        return _damaged(run, blob, f"cannot be read: {error.strerror}")
    try:
        if os.fstat(fd).st_size != blob.size:
            return _damaged(run, blob, f"has {os.fstat(fd).st_size} bytes instead of {blob.size}")
        checksum, _ = file_checksum(fd)
    except OSError as error:
        return _damaged(run, blob, f"cannot be read: {error.strerror}")
    finally:
        os.close(fd)
    if blob.checksum is None:
        if run.mender is not None:
            run.mender.remember(blob.id, checksum)
        what = "was stored without a checksum: whether its bytes are those that were stored cannot be said"
        run.findings.add(Kind.UNVERIFIED, _file(blob.file), what, repaired=run.mender is not None)
    elif checksum != blob.checksum:
        return _damaged(run, blob, "its bytes are not those that were stored")
    return 0


def check_files(run: Run, folder: StillFolder) -> set[int]:
    """Every blob file has a row. Of a running server's only those that lie long enough. No blobs are lost by it."""
    newest = time.time() - IDLE_SECONDS_MAX if folder.running else float("inf")
    for inner in sorted(entry.path for entry in os.scandir(folder.path / "blobs") if entry.is_dir()):
        prefix = os.path.basename(inner)  # noqa: PTH119 - of 256 folders
        names = sorted(entry.name for entry in os.scandir(inner) if entry.stat().st_mtime < newest)
        with folder.snapshot() as still:
            rowless = still.blobs.rowless([prefix + name for name in names])
        run.step("files", int(prefix, 16) + 1 if len(prefix) == 2 else 256, 256)
        for file in rowless:
            if run.mender is not None:
                run.mender.move(file)
            what = "no row names it: it is left over from something that did not come to its end"
            run.findings.add(Kind.LEFTOVER, _file(file), what, repaired=run.mender is not None)
    return set()


def _damaged(run: Run, blob: LargeBlob, what: str) -> int:
    run.findings.add(Kind.BYTES, _file(blob.file), f"{what} (blob {blob.id})")
    return blob.id


def _file(name: str) -> str:
    return f"blobs/{name[:2]}/{name[2:]}"
