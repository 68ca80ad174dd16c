"""The walk over a bucket: its outcome does not depend on how it is cut into steps."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from aging import BUCKET, DAY_MS, pass_days, rules, run
from pilvi.services.s3.lifecycle import round as rounds
from s3kit import Buckets

NOON = 1_790_000_000_000 // DAY_MS * DAY_MS + DAY_MS // 2
KEYS = ("a", "a/1", "a/2", "b")

histories = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from(KEYS), st.sampled_from(["", "t=1", "t=2"])),
        st.tuples(st.just("delete"), st.sampled_from(KEYS), st.just("")),
        st.tuples(st.just("upload"), st.sampled_from(KEYS), st.just("")),
        st.tuples(st.just("day"), st.just(""), st.just("")),
        st.tuples(st.just("suspend"), st.just(""), st.just("")),
    ),
    min_size=4,
    max_size=24,
)
filters = st.sampled_from([{}, {"Prefix": "a"}, {"Prefix": "a/"}, {"Tag": {"Key": "t", "Value": "1"}}])
days = st.integers(1, 3)
some_rules = st.lists(
    st.one_of(
        st.builds(lambda which, number: {"Filter": which, "Expiration": {"Days": number}}, filters, days),
        st.builds(
            lambda which, number, kept: {
                "Filter": which,
                "NoncurrentVersionExpiration": {"NoncurrentDays": number, "NewerNoncurrentVersions": kept},
            },
            filters,
            days,
            st.integers(1, 2),
        ),
        st.builds(
            lambda which, number: {"Filter": which, "Transitions": [{"Days": number, "StorageClass": "GLACIER"}]},
            filters,
            days,
        ),
        st.just({"Filter": {"Prefix": "a"}, "Expiration": {"ExpiredObjectDeleteMarker": True}}),
        st.just({"Filter": {}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}}),
    ),
    min_size=1,
    max_size=3,
)


def live(s3: Buckets, history: list[tuple[str, str, str]]) -> None:
    for what, key, tagging in history:
        if what == "put":
            s3.put(BUCKET, key, b"x", **({"Tagging": tagging} if tagging else {}))
        elif what == "delete":
            s3.s3("DeleteObject", Bucket=BUCKET, Key=key)
        elif what == "upload":
            s3.s3("CreateMultipartUpload", Bucket=BUCKET, Key=key)
        elif what == "day":
            s3.clock.now += DAY_MS
        else:
            s3.s3("PutBucketVersioning", Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"})
        s3.clock.now += 1


@contextmanager
def steps_of(rows: int) -> Iterator[None]:
    with (
        mock.patch.object(rounds, "LOOKED_AT_MAX", rows),
        mock.patch.object(rounds, "DONE_MAX", max(1, rows // 2)),
        mock.patch.object(rounds, "ABORTED_MAX", 1),
    ):
        yield


def outcome(rows: int, history: list[tuple[str, str, str]], wanted: list[dict[str, Any]]) -> tuple[Any, ...]:
    """What is left after three midnights, walked over in steps of so many rows."""
    with tempfile.TemporaryDirectory() as folder, Buckets(Path(folder) / "data") as s3, steps_of(rows):
        s3.clock.now = NOON
        s3.s3("CreateBucket", Bucket=BUCKET)
        s3.s3("PutBucketVersioning", Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        live(s3, history)
        rules(s3, *wanted, TransitionDefaultMinimumObjectSize="varies_by_storage_class")
        run(s3)
        pass_days(s3, 3)
        listed = s3.s3("ListObjectVersions", Bucket=BUCKET)
        left = [
            (one["Key"], one["IsLatest"], one.get("StorageClass", "marker"), one["LastModified"].date())
            for part in ("Versions", "DeleteMarkers")
            for one in listed.get(part, ())
        ]
        uploads = [one["Key"] for one in s3.s3("ListMultipartUploads", Bucket=BUCKET)["Uploads"]]
        return left, uploads, s3.blobs()


@settings(max_examples=30, deadline=None)
@given(histories, some_rules, st.integers(1, 4))
def test_steps_do_not_matter(history: list[tuple[str, str, str]], wanted: list[dict[str, Any]], rows: int) -> None:
    """One row a step or all rows at once: the same versions, markers, classes, uploads and bytes are left."""
    assert outcome(rows, history, wanted) == outcome(250, history, wanted)
