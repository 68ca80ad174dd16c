"""obstore: the Rust crate object_store, as many programs have it inside."""

from __future__ import annotations

import asyncio
import random
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from urllib.request import urlopen

import pytest

from live import LiveCloud

WHY = "obstore is not installed (make install-clients)"
obstore: Any = pytest.importorskip("obstore", reason=WHY)
exceptions: Any = pytest.importorskip("obstore.exceptions", reason=WHY)
stores: Any = pytest.importorskip("obstore.store", reason=WHY)

MIB = 1024 * 1024


@pytest.fixture
def store(cloud: LiveCloud, bucket: str) -> Any:
    return stores.S3Store(
        bucket,
        access_key_id=cloud.access_key,
        secret_access_key=cloud.secret_key,
        region=cloud.region,
        endpoint=cloud.endpoint,
        client_options={"allow_http": True},
    )


def test_bytes_go_up_in_parts_and_come_back_in_ranges(store: Any) -> None:
    """A large object from a stream; many ranges in one call; the rest as a stream."""
    data = random.Random(6).randbytes(21 * MIB + 5)
    chunks = (data[start : start + MIB] for start in range(0, len(data), MIB))
    made = obstore.put(store, "large", chunks, chunk_size=5 * MIB, max_concurrency=4)
    assert made["e_tag"].endswith('-5"')
    starts = [0, 5 * MIB - 10, 13 * MIB, len(data) - 20]
    found = obstore.get_ranges(store, "large", starts=starts, lengths=[20] * 4)
    assert [bytes(piece) for piece in found] == [data[start : start + 20] for start in starts]
    assert b"".join(bytes(piece) for piece in obstore.get(store, "large").stream()) == data
    assert bytes(obstore.get(store, "large", options={"range": {"suffix": 7}}).bytes()) == data[-7:]


def test_conditional_writes_let_one_win(store: Any) -> None:
    """mode create: one of many. An update of what has changed meanwhile is refused."""

    def create(number: int) -> int | None:
        try:
            obstore.put(store, "leader", str(number).encode(), mode="create")
        except exceptions.AlreadyExistsError:
            return None
        return number

    with ThreadPoolExecutor(8) as pool:
        won = [number for number in pool.map(create, range(16)) if number is not None]
    assert len(won) == 1
    assert bytes(obstore.get(store, "leader").bytes()) == str(won[0]).encode()
    seen = obstore.head(store, "leader")
    obstore.put(store, "leader", b"changed", mode={"e_tag": seen["e_tag"]})
    with pytest.raises(exceptions.PreconditionError):
        obstore.put(store, "leader", b"late", mode={"e_tag": seen["e_tag"]})
    assert bytes(obstore.get(store, "leader").bytes()) == b"changed"


def test_lists_copies_links_and_deletes(store: Any) -> None:
    """Streams of listings, folders, offsets; server-side copies; a link; a batch that goes."""
    names = [f"a/{number:04}" for number in range(1100)]

    async def fill() -> None:
        await asyncio.gather(*(obstore.put_async(store, name, b"x", use_multipart=False) for name in names))

    asyncio.run(fill())
    listed = [entry["path"] for page in obstore.list(store, "a", chunk_size=500) for entry in page]
    assert listed == names
    behind = [entry["path"] for page in obstore.list(store, "a", offset="a/1090") for entry in page]
    assert behind == names[1091:]
    obstore.put(store, "b/ä b", b"y")
    assert obstore.list_with_delimiter(store)["common_prefixes"] == ["a", "b"]
    obstore.copy(store, "b/ä b", "c")
    obstore.rename(store, "c", "d")
    with urlopen(obstore.sign(store, "GET", "d", timedelta(minutes=1)), timeout=10) as answer:
        assert answer.read() == b"y"
    with pytest.raises(FileNotFoundError):
        obstore.head(store, "c")
    obstore.delete(store, names)
    assert [entry["path"] for page in obstore.list(store) for entry in page] == ["b/ä b", "d"]
