"""The line of versions that every key has: what other parts of object storage are promised of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pilvi.core.context import Context
from pilvi.core.errors import AccessDenied
from pilvi.services.s3 import objects
from pilvi.services.s3.access import named_bucket
from pilvi.services.s3.records import Bucket, OlderVersion, StoredObject
from s3kit import Buckets

T = TypeVar("T")
FROM, TO = "source", "target"


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[Buckets]:
    with Buckets(tmp_path / "data") as buckets:
        for bucket in (FROM, TO):
            buckets.s3("CreateBucket", Bucket=bucket)
            buckets.s3("PutBucketVersioning", Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        yield buckets


def inside(s3: Buckets, bucket: str, do: Callable[[Context, Bucket], T]) -> T:
    """Runs this in a transaction of its own."""

    def attempt(tx: Any) -> T:
        ctx = s3.context(tx)
        return do(ctx, named_bucket(ctx, bucket))

    return s3.store.write(attempt)


def line(s3: Buckets, bucket: str, key: str = "a") -> list[StoredObject]:
    return inside(s3, bucket, lambda ctx, found: list(objects.versions(ctx, found, key)))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(4)), markers=st.sets(st.integers(0, 3)))
def test_versions_from_elsewhere_take_their_place(s3: Buckets, order: list[int], markers: set[int]) -> None:
    """In whatever order they come, they stand as they were made; what is latest is found at the key."""
    for number in range(4):
        if number in markers:
            s3.s3("DeleteObject", Bucket=FROM, Key="a")
        else:
            s3.put(FROM, "a", b"")
    made = line(s3, FROM)[:4]
    for number in order:
        state = made[number]
        inside(s3, TO, lambda ctx, bucket, state=state: objects.insert(ctx, bucket, as_copy(ctx, bucket, state)))  # type: ignore[misc]
    found = line(s3, TO)[:4]
    assert [(state.version, state.rank, state.marker) for state in found] == [
        (state.version, state.rank, state.marker) for state in made
    ]
    latest = inside(s3, TO, lambda ctx, bucket: objects.latest(ctx, bucket, "a"))
    assert latest == found[0]
    current = inside(s3, TO, lambda ctx, bucket: objects.current(ctx, bucket, "a"))
    assert current == (None if latest is None or latest.marker else latest)
    page = s3.s3("ListObjectVersions", Bucket=TO)
    told = {entry["VersionId"] for entry in [*page["Versions"], *page["DeleteMarkers"]] if entry["IsLatest"]}
    assert told == {found[0].version}


def as_copy(ctx: Context, bucket: Bucket, state: StoredObject) -> StoredObject:
    if state.blob:
        ctx.tx.blobs.share(state.blob)
    return msgspec.structs.replace(state, bucket=bucket.id, rank=0)


def test_what_a_lock_holds_is_not_removed_by_anybody(s3: Buckets) -> None:
    """Not by a lifecycle rule either: whoever removes a version asks the lock."""
    version = s3.put(FROM, "a", b"1")["VersionId"]

    def hold(ctx: Context, bucket: Bucket) -> None:
        state = objects.find_version(ctx, bucket, "a", version)
        assert state is not None
        objects.update(ctx, bucket, msgspec.structs.replace(state, held=True))

    inside(s3, FROM, hold)
    with pytest.raises(AccessDenied, match="object lock"):
        inside(s3, FROM, lambda ctx, bucket: objects.remove_version(ctx, bucket, "a", version, bypass=True))
    (kept,) = line(s3, FROM)
    assert kept.held
    assert objects.locked(kept, s3.clock.now_ms(), bypass=True)


def test_an_update_finds_the_version_wherever_it_stands(s3: Buckets) -> None:
    """At its key, behind, or behind a marker; nothing else changes."""
    for _ in range(2):
        s3.put(FROM, "a", b"1")
    s3.s3("DeleteObject", Bucket=FROM, Key="a")
    s3.put(FROM, "a", b"1")
    before = line(s3, FROM)
    for number, state in enumerate(before):
        changed = msgspec.structs.replace(state, replication="completed")
        inside(s3, FROM, lambda ctx, bucket, changed=changed: objects.update(ctx, bucket, changed))  # type: ignore[misc]
        after = line(s3, FROM)
        assert after[number] == changed
        assert after[number + 1 :] == before[number + 1 :]


def test_a_version_is_behind_since_something_first_took_its_place(s3: Buckets) -> None:
    """Also when what took it was a null marker that has gone for something else: lifecycle rules count from there."""
    s3.put(FROM, "a", b"1")
    s3.s3("PutBucketVersioning", Bucket=FROM, VersioningConfiguration={"Status": "Suspended"})
    s3.clock.advance(1000)
    s3.s3("DeleteObject", Bucket=FROM, Key="a")
    since = s3.clock.now_ms()
    s3.clock.advance(1000)
    s3.put(FROM, "a", b"2")
    rows = inside(s3, FROM, lambda ctx, bucket: list(ctx.tx[OlderVersion].scan(bucket.id, "a")))
    assert [row.superseded_ms for row in rows] == [since]


@pytest.mark.parametrize("text", ["", "x", "A" * 32, "null"])
def test_ranks_are_of_our_own_ids_alone(text: str) -> None:
    """Whatever else stands in a marker has none."""
    assert objects.rank_of(text) == (-int("A" * 12, 16) if len(text) == 32 else None)
