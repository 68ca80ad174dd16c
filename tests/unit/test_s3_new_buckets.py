"""What a new bucket is when its creation says nothing: the cloud's owner chooses."""

from __future__ import annotations

from pathlib import Path

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
    """With s3_new_buckets = classic, writers own what they write and nothing is blocked."""
    bucket = made(tmp_path / "data", {"s3_new_buckets": "classic"})
    assert (bucket.ownership, bucket.public_access) == ("writer", None)
