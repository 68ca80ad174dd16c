"""What a new bucket is when its creation says nothing: the cloud's owner chooses."""

from __future__ import annotations

from pathlib import Path

import pytest

from pilvi.core.errors import AccessDenied
from pilvi.services.s3.records import Bucket, PublicAccess
from s3kit import Buckets


def made(folder: Path, settings: dict[str, str]) -> Bucket:
    with Buckets(folder) as s3:
        s3.cloud.settings.update(settings)
        s3.s3("CreateBucket", Bucket="photos")
        with s3.store.read() as tx:
            bucket = tx[Bucket].get("photos")
    assert bucket is not None
    return bucket


def test_new_buckets_keep_the_public_out(tmp_path: Path) -> None:
    """Without a word, the bucket's account owns everything and all four blocks are on."""
    bucket = made(tmp_path / "data", {})
    assert (bucket.ownership, bucket.public_access) == ("", PublicAccess(True, True, True, True))


def test_classic_buckets_have_acls_and_no_blocks(tmp_path: Path) -> None:
    """With s3_new_buckets = classic, writers own what they write without a setting that says so, and nothing is blocked."""
    bucket = made(tmp_path / "data", {"s3_new_buckets": "classic"})
    assert (bucket.ownership, bucket.public_access) == ("unset", None)


def test_making_a_bucket_again_opens_no_block(tmp_path: Path) -> None:
    """A bucket that its owner makes again gets the list that was asked for, unless it is public and the public blocked."""
    with Buckets(tmp_path / "data") as s3:
        s3.cloud.settings.update({"s3_new_buckets": "classic"})
        s3.s3("CreateBucket", Bucket="photos")
        s3.s3("CreateBucket", Bucket="photos", ACL="public-read")
        s3.s3("CreateBucket", Bucket="photos", ACL="private")
        s3.s3("PutPublicAccessBlock", Bucket="photos", PublicAccessBlockConfiguration={"BlockPublicAcls": True})
        with pytest.raises(AccessDenied):
            s3.s3("CreateBucket", Bucket="photos", ACL="public-read")
