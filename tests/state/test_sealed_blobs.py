"""Sealed blobs: encrypted on the disk, plain to who has the key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pilvi.core import sealing
from pilvi.core.digests import make
from pilvi.core.effects import Body, Restage, Segment, Staged, StagePlan
from pilvi.state.errors import BlobDamaged
from pilvi.state.openblobs import read_all
from pilvi.state.restage import Copy, SourceGone
from pilvi.state.stage import INLINE_BYTES_MAX

KEY, OTHER = b"k" * 32, b"o" * 32
TEXT = b"nobody may read this; "
SIZES = [0, 1, 4096, INLINE_BYTES_MAX - 100, INLINE_BYTES_MAX, INLINE_BYTES_MAX + 1, 5 * INLINE_BYTES_MAX + 17]


def text(size: int) -> bytes:
    return (TEXT * (size // len(TEXT) + 1))[:size]


def staged(store: Any, data: bytes, key: bytes = KEY) -> Staged:
    stage = store.stage(key)
    for at in range(0, len(data), 100_000):
        stage.write(data[at : at + 100_000])
    return stage.finish({}, {})


def published(store: Any, data: bytes, key: bytes = KEY) -> int:
    return store.write(lambda tx: tx.blobs.publish(staged(store, data, key)))


def opened(store: Any, segment: Segment) -> bytes:
    with store.read() as tx:
        blob = store.open_blob(tx, segment)
    try:
        assert (blob.length, blob.data is None or len(blob.data) == blob.length) == (segment.length, True)
        return read_all(blob)
    finally:
        blob.close()


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("size", SIZES)
def test_what_is_sealed_is_read_by_its_key(backend, folder, size):
    """Whole and in part, as a value and as an answer, after a reopening; and the disk holds none of it in plain."""
    data, store = text(size), backend.open()
    body = staged(store, data)
    assert (body.size, body.sealed) == (size, sealing.sealed_size(size))
    blob = store.write(lambda tx: tx.blobs.publish(body))
    store = backend.open()
    ranges = [(0, size), (size // 2, size - size // 2), (max(0, size - 1), min(1, size)), (size // 3, size // 3)]
    for offset, length in ranges:
        with store.read() as tx:
            assert tx.blobs.read(blob, offset, length, key=KEY) == data[offset : offset + length]
        assert opened(store, Segment(blob, offset, length, KEY)) == data[offset : offset + length]
    with store.read() as tx:
        assert tx.blobs.read(blob, key=KEY) == data
    backend.close()
    assert TEXT not in everything(folder)


@pytest.mark.parametrize("size", [100, 3 * INLINE_BYTES_MAX])
def test_another_key_reads_nothing(backend, size):
    """The wrong key is as good as a damaged disk."""
    store = backend.open()
    blob = published(store, text(size))
    with pytest.raises(BlobDamaged), store.read() as tx:
        tx.blobs.read(blob, key=OTHER)
    with pytest.raises(BlobDamaged):
        opened(store, Segment(blob, 0, size, OTHER))


def test_a_damaged_file_is_noticed(backend, folder):
    """One bit of a large sealed blob: the chunks before it are read, its own is not."""
    size = 10 * sealing.CHUNK_BYTES
    store = backend.open()
    blob = published(store, text(size))
    [path] = [path for path in (folder / "blobs").rglob("*") if path.is_file()]
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)
    assert opened(store, Segment(blob, 0, 9 * sealing.CHUNK_BYTES, KEY)) == text(9 * sealing.CHUNK_BYTES)
    with pytest.raises(BlobDamaged):
        opened(store, Segment(blob, size - 1, 1, KEY))


def restaged(store: Any, body: Body, plan: StagePlan) -> bytes:
    copy = Copy(store, Restage(body, plan))
    staged = copy.run()
    blob = store.write(lambda tx: tx.blobs.publish(staged))
    copy.abort()
    assert staged.carry == plan.carry
    assert {name: digest.hex() for name, digest in staged.digests.items()} == {
        name: _digest(name, opened(store, Segment(blob, 0, staged.size, plan.seal))) for name in plan.digests
    }
    return opened(store, Segment(blob, 0, staged.size, plan.seal))


def _digest(name: str, data: bytes) -> str:
    made = make([name])[name]
    made.update(data)
    return made.digest().hex()


@pytest.mark.parametrize("size", [10, 3 * INLINE_BYTES_MAX])
@pytest.mark.parametrize(("before", "after"), [(b"", KEY), (KEY, b""), (KEY, OTHER), (b"", b"")])
def test_stored_bytes_are_read_once_more(backend, size, before, after):
    """From plain to sealed, back, under another key; several runs become one blob; digests are of the plain bytes."""
    store = backend.open()
    blob = published(store, text(size), before)
    body = Body((Segment(blob, size // 2, size - size // 2, before), Segment(blob, 0, size // 2, before)))
    plan = StagePlan(frozenset({"md5", "crc64nvme", "sha256"}), seal=after, carry=("source", 7))
    assert restaged(store, body, plan) == text(size)[size // 2 :] + text(size)[: size // 2]


def test_a_source_that_is_gone_is_said_to_be(backend):
    """Released between the attempt and the reading."""
    store = backend.open()
    blob = published(store, text(10), b"")
    store.write(lambda tx: tx.blobs.release(blob))
    copy = Copy(store, Restage(Body((Segment(blob, 0, 10),)), StagePlan()))
    with pytest.raises(SourceGone):
        copy.run()
    copy.abort()


def test_a_copy_that_is_not_wanted_leaves_nothing(backend, folder):
    """Aborted after it was read, and nobody published it."""
    store = backend.open()
    blob = published(store, text(3 * INLINE_BYTES_MAX), b"")
    before = sorted(path for path in folder.rglob("*") if path.is_file())
    copy = Copy(store, Restage(Body((Segment(blob, 0, 3 * INLINE_BYTES_MAX),)), StagePlan()))
    copy.run()
    copy.abort()
    assert sorted(path for path in folder.rglob("*") if path.is_file()) == before
