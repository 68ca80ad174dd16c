"""A server that is killed while lifecycle rules run, with kill -9, again and again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from live import LiveCloud
from waiting import wait_until

BUCKET = "ages"
KEYS = 250
KILLS = 4
LARGE = b"x" * 300_000  # a file of its own


def fill(s3: Any) -> None:
    """Versions, small and large ones, delete markers and uploads below old/; below kept/ what no rule means."""
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})

    def write(number: int) -> None:
        key = f"old/{number:03}"
        s3.put_object(Bucket=BUCKET, Key=key, Body=LARGE if number % 10 == 0 else b"first")
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"second")
        if number % 3 == 0:
            s3.delete_object(Bucket=BUCKET, Key=key)
        if number % 25 == 0:
            upload = s3.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
            s3.upload_part(Bucket=BUCKET, Key=key, UploadId=upload, PartNumber=1, Body=LARGE)
            s3.put_object(Bucket=BUCKET, Key=f"kept/{number:03}", Body=LARGE)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(KEYS)))


def versions(s3: Any, prefix: str) -> int:
    """How many versions and delete markers there are below a prefix."""
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=BUCKET, Prefix=prefix)
    return sum(len(page.get("Versions", ())) + len(page.get("DeleteMarkers", ())) for page in pages)


def files(cloud: LiveCloud) -> int:
    return sum(1 for path in (cloud.data / "blobs").rglob("*") if path.is_file())


def test_killed_while_rules_run(tmp_path: Path) -> None:
    """In the end all is gone that the rule means, with its bytes; and nothing is that it does not mean."""
    with LiveCloud(tmp_path, "--lifecycle-day-seconds", "1") as cloud:
        s3 = cloud.client("s3")
        fill(s3)
        kept = KEYS // 25
        assert files(cloud) == KEYS // 10 + 2 * kept
        rule = {
            "ID": "old",
            "Status": "Enabled",
            "Filter": {"Prefix": "old/"},
            "Expiration": {"Days": 1},
            "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
        }
        s3.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration={"Rules": [rule]})
        for _ in range(KILLS):
            before = versions(s3, "old/")
            wait_until(
                lambda before=before: not before or versions(s3, "old/") != before, "a step is done", every_s=0.001
            )
            cloud.kill()
            cloud.start()
        wait_until(lambda: versions(s3, "old/") == 0, "all versions are gone", deadline_s=60, every_s=0.1)
        wait_until(lambda: "Uploads" not in s3.list_multipart_uploads(Bucket=BUCKET), "so are the uploads")
        assert versions(s3, "kept/") == kept
        for entry in s3.list_objects_v2(Bucket=BUCKET)["Contents"]:
            assert s3.get_object(Bucket=BUCKET, Key=entry["Key"])["Body"].read() == LARGE
        wait_until(lambda: files(cloud) == kept, "and their files")
