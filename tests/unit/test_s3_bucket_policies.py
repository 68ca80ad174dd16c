"""Which resources a bucket's policy may speak of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilvi.services.s3 import errors
from s3kit import Buckets


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[Buckets]:
    with Buckets(tmp_path / "data") as buckets:
        buckets.s3("CreateBucket", Bucket="photos")
        yield buckets


def put(s3: Buckets, resource: str) -> None:
    statement = {
        "Effect": "Deny",
        "Principal": {"AWS": "222222222222"},
        "Action": "s3:GetObject",
        "Resource": resource,
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    s3.s3("PutBucketPolicy", Bucket="photos", Policy=policy)
    assert s3.s3("GetBucketPolicy", Bucket="photos") == {"Policy": policy}


@pytest.mark.parametrize(
    "resource",
    [
        "arn:aws:s3:::photos",
        "arn:aws:s3:::photos/*",
        "arn:aws:s3:::photos/a/b",
        "arn:aws:s3:::photos*",
        "arn:aws:s3:::*",
        "arn:aws:s3:::*/*",
        "arn:aws:s3:::ph?tos/*",
        "arn:aws:s3:::p*s/a",
    ],
)
def test_resources_that_can_mean_the_bucket(s3: Buckets, resource: str) -> None:
    """Its name or a pattern of it, with or without keys."""
    put(s3, resource)


@pytest.mark.parametrize(
    "resource",
    [
        "*",
        "photos/*",
        "arn:aws:s3:::",
        "arn:aws:s3:::/photos",
        "arn:aws:s3:::photos2/*",
        "arn:aws:s3:::photo",
        "arn:aws:s3:::ph.tos/*",
        "arn:aws:s3:::photo?s",
        "arn:aws:sqs:::photos",
    ],
)
def test_resources_that_cannot(s3: Buckets, resource: str) -> None:
    """Other buckets, other services, and what only looks like a pattern."""
    with pytest.raises(errors.MalformedPolicy, match="Policy has invalid resource"):
        put(s3, resource)
