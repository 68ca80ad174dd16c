"""Stored bytes have a checksum, and what is read is compared with it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from awscrt import checksums as crt

from pilvi.core import digests
from pilvi.core.effects import Segment
from pilvi.state import checksums
from pilvi.state.errors import BlobDamaged
from pilvi.state.openblobs import VERIFIED_BYTES_MAX
from stores import open_store

SMALL_FILE = os.urandom(300_000)
LARGE_FILE = os.urandom(VERIFIED_BYTES_MAX + 500_000)


def stored(store):
    """(checksum in the row, bytes of the file)."""
    with store.read() as tx:
        crc, file = tx.execute("SELECT crc, file FROM blobs").fetchone()
        return crc, tx.files.path(file).read_bytes()


def flip(folder: Path, at: int) -> None:
    (path,) = (folder / "blobs").glob("*/*")
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 0x10]))


@pytest.mark.parametrize("seal", [b"", b"k" * 32], ids=["plain", "sealed"])
@pytest.mark.parametrize("promised", [frozenset(), frozenset({"md5"}), frozenset({"md5", "crc64nvme"})], ids=len)
def test_the_checksum_of_a_file_is_that_of_its_stored_bytes(folder, seal, promised):
    """Whatever digests of the plain bytes are wanted besides, and sealed or not."""
    with open_store(folder) as store:
        stage = store.stage(seal, promised)
        wanted = digests.make(promised)
        for at in range(0, len(LARGE_FILE), 100_000):
            for digest in wanted.values():
                digest.update(LARGE_FILE[at : at + 100_000])
            stage.write(LARGE_FILE[at : at + 100_000])
        staged = stage.finish({name: digest.digest() for name, digest in wanted.items()}, {})
        store.write(lambda tx: tx.blobs.publish(staged))
        crc, data = stored(store)
        assert crc == checksums.signed(crt.crc64nvme(data))
        assert (data == LARGE_FILE) == (not seal)


def test_what_is_promised_is_not_computed_twice(folder, monkeypatch):
    """A plain body whose CRC-64 is computed on its way in costs the store no second one."""
    calls = []
    monkeypatch.setattr(checksums, "crc64", lambda: lambda piece, crc: calls.append(piece) or 0)
    with open_store(folder) as store:
        stage = store.stage(promised=frozenset({"crc64nvme"}))
        stage.write(LARGE_FILE)
        store.write(lambda tx: tx.blobs.publish(stage.finish({"crc64nvme": b"\xff" * 8}, {})))
        assert not calls
        assert stored(store)[0] == -1


def test_a_flipped_bit_in_a_small_file_is_noticed_before_anything_is_sent(folder):
    """Opening it raises, for a range that the bit is not in, too; and so after the file was found right long ago."""
    with open_store(folder) as store:
        blob = store.write(lambda tx: tx.blobs.add(SMALL_FILE))
        flip(folder, 250_000)
        with store.read() as tx:
            with pytest.raises(BlobDamaged):
                store.open_blob(tx, Segment(blob, 0, 10))
            with pytest.raises(BlobDamaged):
                tx.blobs.read(blob, 5, 10)


def test_a_small_file_is_not_verified_again_and_again(folder, monkeypatch):
    """It is remembered for a while that its bytes were right; then it is verified again."""
    with open_store(folder) as store:
        blob = store.write(lambda tx: tx.blobs.add(SMALL_FILE))
        with store.read() as tx:
            assert tx.blobs.read(blob, 0, 5) == SMALL_FILE[:5]
            with monkeypatch.context() as broken:
                broken.setattr(checksums, "file_checksum", lambda fd: pytest.fail("it was verified just now"))
                assert tx.blobs.read(blob, 5, 5) == SMALL_FILE[5:10]
            flip(folder, 250_000)
            tx.files.verified = dict.fromkeys(tx.files.verified, 0.0)
            with pytest.raises(BlobDamaged):
                tx.blobs.read(blob, 5, 5)


def test_a_large_file_that_is_read_whole_is_verified_as_it_is_read(folder):
    """Its last bytes are not given when any were changed: a copy of it, or an answer over TLS, does not come to its end."""
    with open_store(folder) as store:
        blob = store.write(lambda tx: tx.blobs.add(LARGE_FILE))
        with store.read() as tx:
            assert tx.blobs.read(blob) == LARGE_FILE
            opened = store.open_blob(tx, Segment(blob, 0, len(LARGE_FILE)))
        flip(folder, 1_000)
        assert opened.read_at(0, 1_000_000)
        with pytest.raises(BlobDamaged):
            opened.read_at(1_000_000, 1_000_000)
        opened.close()


def test_a_file_of_before_there_were_checksums_can_be_read(folder):
    """Nothing is known of its bytes but their number."""
    with open_store(folder) as store:
        blob = store.write(lambda tx: tx.blobs.add(SMALL_FILE))
        store.write(lambda tx: tx.change("UPDATE blobs SET crc = NULL", ()))
        with store.read() as tx:
            assert tx.blobs.read(blob) == SMALL_FILE
