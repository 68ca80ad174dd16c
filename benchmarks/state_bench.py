"""What the store costs: CPU and wall time in µs for each operation, over all its threads, user and system.

    python benchmarks/state_bench.py [--folder DIR] [--seconds 1.0] [name ...]

Writing rows are closed loops on an event loop, as the gateway makes them: N attempts under way, the next one submitted
when one is answered. A durable put includes its share of the commit and of the checkpoints.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import uvloop

from pilvi.core.clock import SystemClock
from pilvi.core.effects import Segment
from pilvi.state.sqlite import SqliteStore, tell
from pilvi.state.store import Record, TableSpec, Tx

KEYS = 2_000
SMALL = os.urandom(4 * 1024)
LARGE_PIECES = [os.urandom(64 * 1024) for _ in range(16)]


class Item(Record, frozen=True):
    """About 300 bytes, as an object's row."""

    spec: ClassVar[TableSpec] = TableSpec("bench_item", key=("bucket", "key"))

    bucket: str
    key: str
    blob: int
    size: int
    etag: str
    modified_ms: int
    metadata: dict[str, str] = {}  # noqa: RUF012 - msgspec copies it
    content_type: str = "application/octet-stream"


class Sample:
    """Costs of `operations` operations."""

    def __init__(self, operations: int, wall_s: float, cpu_s: float, worst_s: float) -> None:
        self.operations = operations
        self.wall_us = wall_s / operations * 1e6
        self.cpu_us = cpu_s / operations * 1e6
        self.worst_ms = worst_s * 1e3


def item(number: int, blob: int = 0) -> Item:
    return Item(
        "photos",
        f"2026/summer/{number:09}.jpg",
        blob,
        4096,
        "d41d8cd98f00b204e9800998ecf8427e" * 4,
        1_790_000_000_000 + number,
    )


def put_item(number: int, tx: Tx) -> None:
    tx[Item].put(item(number % KEYS))


def put_small_object(number: int, tx: Tx) -> None:
    """What PutObject does: look, release what was there, store the bytes and the row."""
    new = item(number % KEYS)
    old = tx[Item].get(new.bucket, new.key)
    if old is not None and old.blob:
        tx.blobs.release(old.blob)
    tx[Item].put(item(number % KEYS, tx.blobs.add(SMALL)))


@contextmanager
def measured(operations: list[int], worst: list[float]) -> Iterator[Callable[[], Sample]]:
    cpu, wall = _cpu(), time.perf_counter()
    end: list[float] = []

    def result() -> Sample:
        return Sample(sum(operations), end[1] - wall, end[0] - cpu, max(worst, default=0.0))

    yield result
    end.extend((_cpu(), time.perf_counter()))


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def repeat(seconds: float, work: Callable[[int], Any]) -> Sample:
    done, worst = [0], [0.0]
    with measured(done, worst) as result:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            for _ in range(20):
                work(done[0])
                done[0] += 1
    return result()


def writes(folder: Path, seconds: float, under_way: int, attempt: Callable[[int, Tx], None]) -> Sample:
    """A closed loop on uvloop with so many attempts under way."""
    return uvloop.run(_writes(folder, seconds, under_way, attempt))


async def _writes(folder: Path, seconds: float, under_way: int, attempt: Callable[[int, Tx], None]) -> Sample:
    loop = asyncio.get_running_loop()
    store = SqliteStore.open(
        folder, [Item], clock=SystemClock(), deliver=lambda answers: loop.call_soon_threadsafe(tell, answers)
    )
    operations, worst = [0], [0.0]
    finished = asyncio.Event()
    running = [0]
    end = time.perf_counter() + seconds

    def go() -> None:
        number = operations[0]
        operations[0] += 1
        running[0] += 1
        began = time.perf_counter()

        def done(_: Any, error: BaseException | None) -> None:
            assert error is None, error
            now = time.perf_counter()
            worst[0] = max(worst[0], now - began)
            running[0] -= 1
            if now < end:
                go()
            elif not running[0]:
                finished.set()

        store.submit(lambda tx: attempt(number, tx), done)

    with measured(operations, worst) as result:
        for _ in range(under_way):
            go()
        await finished.wait()
    store.close()
    return result()


def filled(folder: Path) -> SqliteStore:
    store = SqliteStore.open(folder, [Item], clock=SystemClock())

    def fill(tx: Tx) -> None:
        for number in range(KEYS):
            put_small_object(number, tx)

    store.write(fill)
    return store


def bench_put(under_way: int) -> Callable[[Path, float], Sample]:
    return lambda folder, seconds: writes(folder, seconds, under_way, put_item)


def bench_object(under_way: int) -> Callable[[Path, float], Sample]:
    return lambda folder, seconds: writes(folder, seconds, under_way, put_small_object)


def bench_write_from_thread(folder: Path, seconds: float) -> Sample:
    store = SqliteStore.open(folder, [Item], clock=SystemClock())
    sample = repeat(seconds, lambda number: store.write(lambda tx: put_item(number, tx)))
    store.close()
    return sample


def bench_empty_read(folder: Path, seconds: float) -> Sample:
    store = filled(folder)

    def work(_: int) -> None:
        with store.read():
            pass

    sample = repeat(seconds, work)
    store.close()
    return sample


def bench_get(gets: int) -> Callable[[Path, float], Sample]:
    def bench(folder: Path, seconds: float) -> Sample:
        store = filled(folder)

        def work(number: int) -> None:
            with store.read() as tx:
                for more in range(gets):
                    assert tx[Item].get("photos", f"2026/summer/{(number + more * 7) % KEYS:09}.jpg")

        sample = repeat(seconds, work)
        store.close()
        return sample

    return bench


def bench_get_object(folder: Path, seconds: float) -> Sample:
    store = filled(folder)

    def work(number: int) -> None:
        with store.read() as tx:
            found = tx[Item].get("photos", f"2026/summer/{number % KEYS:09}.jpg")
            assert found is not None
            opened = store.open_blob(tx, Segment(found.blob, 0, found.size))
            assert opened.data is not None
            opened.close()

    sample = repeat(seconds, work)
    store.close()
    return sample


def bench_scan(folder: Path, seconds: float) -> Sample:
    store = filled(folder)

    def work(_: int) -> None:
        with store.read() as tx:
            assert len(list(tx[Item].scan("photos", after="2026/summer/000000100.jpg", limit=1_000))) == 1_000

    sample = repeat(seconds, work)
    store.close()
    return sample


def bench_large(folder: Path, seconds: float) -> Sample:
    """1 MB: received in pieces, published, the one before released."""
    store = SqliteStore.open(folder, [Item], clock=SystemClock())

    def work(number: int) -> None:
        stage = store.stage()
        for piece in LARGE_PIECES:
            stage.write(piece)
        staged = stage.finish({}, {})

        def publish(tx: Tx) -> None:
            old = tx[Item].get("photos", item(number % 20).key)
            if old is not None:
                tx.blobs.release(old.blob)
            tx[Item].put(item(number % 20, tx.blobs.publish(staged)))

        store.write(publish)

    sample = repeat(seconds, work)
    store.close()
    return sample


BENCHES: dict[str, Callable[[Path, float], Sample]] = {
    "read(): nothing": bench_empty_read,
    "read(): 1 get": bench_get(1),
    "read(): 5 gets": bench_get(5),
    "read(): get 4 KB object": bench_get_object,
    "read(): scan of 1,000": bench_scan,
    "write(): put, from a thread": bench_write_from_thread,
    "put 300 B, 1 under way": bench_put(1),
    "put 300 B, 8 under way": bench_put(8),
    "put 300 B, 64 under way": bench_put(64),
    "put 300 B, 512 under way": bench_put(512),
    "put 4 KB object, 1 under way": bench_object(1),
    "put 4 KB object, 8 under way": bench_object(8),
    "put 4 KB object, 64 under way": bench_object(64),
    "put 4 KB object, 512 under way": bench_object(512),
    "put 1 MB object": bench_large,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help="parts of names; default: all")
    parser.add_argument("--folder", type=Path, default=None, help="where the data is written")
    parser.add_argument("--seconds", type=float, default=1.0, help="for each row")
    options = parser.parse_args()
    print(f"{'':34}{'CPU µs':>10}{'wall µs':>10}{'a second':>10}{'worst ms':>10}")
    for name, bench in BENCHES.items():
        if options.names and not any(part in name for part in options.names):
            continue
        folder = Path(tempfile.mkdtemp(dir=options.folder))
        sample = bench(folder, options.seconds)
        shutil.rmtree(folder)
        rate = 1e6 / sample.wall_us
        print(f"{name:34}{sample.cpu_us:10.1f}{sample.wall_us:10.1f}{rate:10,.0f}{sample.worst_ms:10.1f}", flush=True)
    assert threading.active_count() == 1


if __name__ == "__main__":
    main()
