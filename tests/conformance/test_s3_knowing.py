"""Who may know that an object is not there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore import UNSIGNED
from botocore.config import Config

from live import LiveCloud, Unique
from refusals import refused


@pytest.fixture
def s3(cloud: LiveCloud) -> Any:
    return cloud.client("s3")


@pytest.fixture
def bucket(s3: Any, unique: Unique) -> Iterator[str]:
    name = unique("bucket")
    s3.create_bucket(Bucket=name)
    s3.delete_public_access_block(Bucket=name)
    yield name
    s3.delete_bucket(Bucket=name)


@pytest.mark.parametrize("may_read", [True, False])
def test_who_may_list_a_prefix_may_know_what_is_missing_there(
    cloud: LiveCloud, s3: Any, bucket: str, may_read: bool
) -> None:
    """s3:ListBucket under a condition on s3:prefix answers 404 for keys that it lets see, and 403 for all others.

    Whether what is there could be read does not matter.
    """
    listing = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:ListBucket",
        "Resource": f"arn:aws:s3:::{bucket}",
        "Condition": {"StringLike": {"s3:prefix": "public/*"}},
    }
    reading = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    s3.put_bucket_policy(
        Bucket=bucket,
        Policy=json.dumps({"Version": "2012-10-17", "Statement": [listing, reading] if may_read else [listing]}),
    )
    stranger = cloud.client("s3", config=Config(signature_version=UNSIGNED))
    with refused("NoSuchKey", 404):
        stranger.get_object(Bucket=bucket, Key="public/absent")
    with refused("AccessDenied", 403):
        stranger.get_object(Bucket=bucket, Key="private/absent")
    with refused("404", 404):
        stranger.head_object(Bucket=bucket, Key="public/absent")
    with refused("403", 403):
        stranger.head_object(Bucket=bucket, Key="private/absent")
    s3.put_object(Bucket=bucket, Key="public/present", Body=b"x")
    if may_read:
        assert stranger.get_object(Bucket=bucket, Key="public/present")["Body"].read() == b"x"
    else:
        with refused("AccessDenied", 403):
            stranger.get_object(Bucket=bucket, Key="public/present")
    s3.delete_object(Bucket=bucket, Key="public/present")
