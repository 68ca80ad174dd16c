"""Blobs: bytes that are there as long as somebody refers to them, and no longer."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from pilvi.core.effects import Segment, Staged
from pilvi.state.errors import BlobDamaged
from pilvi.state.stage import INLINE_BYTES_MAX

SMALL = b"small"
LARGE = bytes(range(256)) * (INLINE_BYTES_MAX // 256) + b"and more"


class Refused(Exception):
    pass


def files(folder: Path) -> list[str]:
    """Every file that holds, or held, the bytes of a blob."""
    return sorted(
        str(path.relative_to(folder))
        for top in ("blobs", "staging")
        for path in (folder / top).rglob("*")
        if path.is_file()
    )


def staged(store: Any, data: bytes, piece: int = 64 * 1024) -> Staged:
    stage = store.stage()
    for at in range(0, len(data), piece):
        stage.write(data[at : at + piece])
    return stage.finish({"md5": b"m"}, {"x-amz-checksum-crc32": "c"})


def read(store: Any, blob: int, *bounds: int) -> bytes:
    with store.read() as tx:
        return tx.blobs.read(blob, *bounds)


@pytest.mark.parametrize("data", [b"", SMALL, LARGE[:INLINE_BYTES_MAX], LARGE[: INLINE_BYTES_MAX + 1], LARGE * 5])
@pytest.mark.parametrize("how", ["add", "publish"])
def test_what_is_stored_is_read(backend, data, how):
    """Empty, small, at the limit, above it; whole and in part; across a reopening."""
    store = backend.open()
    if how == "add":
        blob = store.write(lambda tx: tx.blobs.add(data))
    else:
        body = staged(store, data)
        assert (body.size, body.digests, body.trailers) == (len(data), {"md5": b"m"}, {"x-amz-checksum-crc32": "c"})
        blob = store.write(lambda tx: tx.blobs.publish(body))
    store = backend.open()
    with store.read() as tx:
        assert tx.blobs.size(blob) == len(data)
        assert tx.blobs.read(blob) == data
        assert tx.blobs.read(blob, 1, 3) == data[1:4]
        assert tx.blobs.read(blob, max(len(data) - 2, 0), 100) == data[-2:]
        assert tx.blobs.read(blob, len(data) + 1) == b""


def test_only_large_blobs_are_files(backend):
    """Up to the named limit the bytes live in the store: no file, one commit."""
    store = backend.open()
    body = staged(store, LARGE[:INLINE_BYTES_MAX])
    assert (len(body.data or b""), body.path) == (INLINE_BYTES_MAX, "")
    store.write(lambda tx: tx.blobs.publish(body))
    assert files(backend.folder) == []
    large = staged(store, LARGE)
    assert large.data is None
    store.write(lambda tx: tx.blobs.publish(large))
    assert len(files(backend.folder)) == 1


def test_nobody_else_may_read_the_files(backend):
    """The owner alone, in folders and files."""
    store = backend.open()
    store.write(lambda tx: tx.blobs.add(LARGE))
    for path in backend.folder.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 or path.parent == backend.folder, path
    assert stat.S_IMODE(backend.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((backend.folder / "data.db").stat().st_mode) == 0o600


@pytest.mark.parametrize("data", [SMALL, LARGE])
def test_the_last_release_removes_the_bytes(backend, data):
    """Not one before it; afterwards the id is unknown, and never comes again."""
    store = backend.open()
    blob = store.write(lambda tx: tx.blobs.add(data))
    store.write(lambda tx: tx.blobs.share(blob))
    store.write(lambda tx: tx.blobs.share(blob))
    for _ in range(2):
        store.write(lambda tx: tx.blobs.release(blob))
        assert read(store, blob) == data
    store.write(lambda tx: tx.blobs.release(blob))
    with pytest.raises(KeyError):
        read(store, blob)
    store.sweep()
    assert files(backend.folder) == []
    assert store.write(lambda tx: tx.blobs.add(data)) > blob


def test_an_unknown_blob_is_a_key_error(backend):
    """Whatever is asked of it."""
    store = backend.open()
    for use in ("share", "release", "size", "read"):
        with pytest.raises(KeyError):
            store.write(lambda tx, use=use: getattr(tx.blobs, use)(7))
    with store.read() as tx, pytest.raises(KeyError):
        store.open_blob(tx, Segment(7, 0, 0))


@pytest.mark.parametrize("data", [SMALL, LARGE])
def test_an_undone_release_keeps_the_bytes(backend, data):
    """No file is removed before the commit."""
    store = backend.open()
    blob = store.write(lambda tx: tx.blobs.add(data))

    def release_and_raise(tx: Any) -> None:
        tx.blobs.release(blob)
        raise Refused

    def release_in_undone_part(tx: Any) -> None:
        with pytest.raises(Refused), tx.savepoint():
            release_and_raise(tx)

    with pytest.raises(Refused):
        store.write(release_and_raise)
    store.write(release_in_undone_part)
    store.sweep()
    assert read(store, blob) == data


def test_bytes_of_an_undone_attempt_leave_no_file(backend):
    """Those that the operation made itself go at once; a staged body stays its receiver's, who may try again."""
    store = backend.open()
    body = staged(store, LARGE)

    def publish(tx: Any, *, fail: bool) -> int:
        blob = tx.blobs.publish(body)
        if fail:
            tx.blobs.add(LARGE)
            raise Refused
        return blob

    with pytest.raises(Refused):
        store.write(lambda tx: publish(tx, fail=True))
    assert len(files(backend.folder)) == 1
    assert read(store, store.write(lambda tx: publish(tx, fail=False))) == LARGE


def test_a_staged_body_is_published_once(backend):
    """A second attempt to do so is a mistake, also in one transaction."""
    store = backend.open()
    body = staged(store, LARGE)
    store.write(lambda tx: tx.blobs.publish(body))
    with pytest.raises(LookupError):
        store.write(lambda tx: tx.blobs.publish(body))


def test_abort_removes_what_was_received(backend):
    """In memory, in the middle of a file, and right after finish."""
    store = backend.open()
    for data, finish in ((SMALL, False), (LARGE * 2, False), (SMALL, True), (LARGE, True)):
        stage = store.stage()
        stage.write(data)
        if finish:
            body = stage.finish({}, {})
        stage.abort()
        stage.abort()
        assert files(backend.folder) == []
    with pytest.raises(LookupError):
        store.write(lambda tx: tx.blobs.publish(body))


def test_abort_after_the_commit_harms_nothing(backend):
    """A client that goes away while its answer is on the way does not take the object with it."""
    store = backend.open()
    stage = store.stage()
    stage.write(LARGE)
    body = stage.finish({}, {})
    blob = store.write(lambda tx: tx.blobs.publish(body))
    stage.abort()
    assert read(store, blob) == LARGE


@pytest.mark.parametrize("undone", [False, True])
def test_abort_during_the_attempt_waits_for_its_end(backend, undone):
    """Committed: the file stays. Undone: it goes."""
    store = backend.open()
    stage = store.stage()
    stage.write(LARGE)
    body = stage.finish({}, {})

    def attempt(tx: Any) -> int:
        blob = tx.blobs.publish(body)
        stage.abort()
        if undone:
            raise Refused
        return blob

    if undone:
        with pytest.raises(Refused):
            store.write(attempt)
        assert files(backend.folder) == []
    else:
        assert read(store, store.write(attempt)) == LARGE


def test_a_stage_says_when_it_is_cheap(backend):
    """In memory as long as the next small write stays there."""
    stage = backend.open().stage()
    cheap = []
    for _ in range(6):
        cheap.append(stage.in_memory)
        stage.write(bytes(64 * 1024))
    assert cheap == [True, True, True, True, False, False]
    stage.abort()


@pytest.mark.parametrize("data", [SMALL, LARGE])
def test_an_open_blob_is_a_range(backend, data):
    """Small ones carry their bytes, large ones an open file."""
    store = backend.open()
    blob = store.write(lambda tx: tx.blobs.add(data))
    with store.read() as tx:
        whole, part = store.open_blob(tx, Segment(blob, 0, len(data))), store.open_blob(tx, Segment(blob, 1, 3))
    assert (contents(whole), contents(part)) == (data, data[1:4])
    assert (part.length, whole.length) == (3, len(data))
    whole.close()
    part.close()


def contents(opened: Any) -> bytes:
    return opened.data if opened.data is not None else os.pread(opened.fd, opened.length, opened.offset)


def test_an_open_blob_outlives_its_release(backend):
    """The file stays until it is closed, also when it is first touched after the release; then it goes."""
    store = backend.open()
    blob = store.write(lambda tx: tx.blobs.add(LARGE))
    with store.read() as tx:
        first, second = (store.open_blob(tx, Segment(blob, 0, len(LARGE))) for _ in range(2))
    store.write(lambda tx: tx.blobs.release(blob))
    store.sweep()
    assert contents(first) == LARGE
    first.close()
    first.close()
    store.sweep()
    assert contents(second) == LARGE
    second.close()
    store.sweep()
    assert files(backend.folder) == []


def test_a_snapshot_that_began_before_the_release_can_still_open(backend):
    """And one that began later does not know the blob; when the first ends, the file goes."""
    store = backend.open()
    blob = store.write(lambda tx: tx.blobs.add(LARGE))
    with store.read() as before:
        assert before.blobs.size(blob) == len(LARGE)
        store.write(lambda tx: tx.blobs.release(blob))
        with store.read() as after, pytest.raises(KeyError):
            after.blobs.size(blob)
        store.sweep()
        assert before.blobs.read(blob, 5, 5) == LARGE[5:10]
    store.sweep()
    assert files(backend.folder) == []


def test_damaged_bytes_are_not_handed_out(backend):
    """A checksum stands beside the bytes that live in the store."""
    store = backend.open()
    blob = store.write(lambda tx: tx.blobs.add(SMALL))
    store.write(lambda tx: tx.change("UPDATE blobs SET data = ?", (b"smell",)))
    with pytest.raises(BlobDamaged):
        read(store, blob)


def test_a_file_that_lost_its_end_is_noticed(backend):
    """Reading it raises, instead of a shorter answer."""
    store = backend.open()
    blob = store.write(lambda tx: tx.blobs.add(LARGE))
    (path,) = files(backend.folder)
    os.truncate(backend.folder / path, 10)
    with pytest.raises(BlobDamaged):
        read(store, blob)


@pytest.mark.parametrize("harm", ["shorten", "remove"])
def test_a_damaged_file_is_noticed_before_anything_is_sent(backend, harm):
    """When it is opened."""
    store = backend.open()
    blob = store.write(lambda tx: tx.blobs.add(LARGE))
    path = backend.folder / files(backend.folder)[0]
    os.truncate(path, len(LARGE) - 1) if harm == "shorten" else path.unlink()
    with pytest.raises(BlobDamaged), store.read() as tx:
        store.open_blob(tx, Segment(blob, 0, len(LARGE)))
    store.write(lambda tx: tx.blobs.release(blob))  # and nobody holds it
    store.sweep()
    assert files(backend.folder) == []


def test_leftovers_of_a_crash_are_swept(backend):
    """Bodies half received and files without a row go when the folder is opened; files with a row stay."""
    store = backend.open()
    blob = store.write(lambda tx: tx.blobs.add(LARGE))
    kept = files(backend.folder)
    backend.close()
    (backend.folder / "staging" / ("a" * 32)).write_bytes(b"half")
    (backend.folder / "blobs" / "ff").mkdir()
    (backend.folder / "blobs" / "ff" / ("f" * 30)).write_bytes(b"whole")
    store = backend.open()
    store.sweep()
    assert files(backend.folder) == kept
    assert read(store, blob) == LARGE


def test_bodies_on_their_way_are_not_swept(backend):
    """Neither half received nor finished ones, while they are young."""
    store = backend.open()
    half = store.stage()
    half.write(LARGE)
    finished = staged(store, LARGE)
    assert store.sweep() == 0
    body = half.finish({}, {})
    for blob in store.write(lambda tx: [tx.blobs.publish(finished), tx.blobs.publish(body)]):
        assert read(store, blob) == LARGE


def test_bodies_that_nobody_finishes_are_swept_by_age(backend):
    """An hour without a byte, and they go; publishing one afterwards is refused."""
    store = backend.open()
    stage = store.stage()
    stage.write(LARGE)
    finished = staged(store, LARGE)
    for path in files(backend.folder):
        os.utime(backend.folder / path, (1, 1))
    store.sweep()
    assert files(backend.folder) == []
    with pytest.raises(LookupError):
        store.write(lambda tx: tx.blobs.publish(finished))
    with pytest.raises(FileNotFoundError):
        stage.finish({}, {})


def test_many_files_are_swept(backend):
    """More than the writer looks up at once."""
    store = backend.open()
    for number in range(600):
        folder = backend.folder / "blobs" / f"{number % 7:02x}"
        folder.mkdir(exist_ok=True)
        (folder / f"{number:030x}").touch()
    store.sweep()
    assert files(backend.folder) == []


def test_what_is_published_while_leftovers_are_looked_for_stays(backend, monkeypatch):
    """A file that had no row when the sweep asked, and got it before the sweep went on, is no leftover."""
    store = backend.open()
    body = staged(store, LARGE * 3)
    ask = store.write
    published = []

    def asked_and_overtaken(attempt: Any) -> Any:
        answer = ask(attempt)
        published.append(ask(lambda tx: tx.blobs.publish(body)))
        return answer

    with monkeypatch.context() as patched:
        patched.setattr(store, "write", asked_and_overtaken)
        store.sweep()
    assert published or ask(lambda tx: published.append(tx.blobs.publish(body))) is None
    assert read(store, published[0]) == LARGE * 3
    store = backend.open()
    store.sweep()
    assert read(store, published[0]) == LARGE * 3
