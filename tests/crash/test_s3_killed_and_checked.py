"""Killed in the middle of everything that object storage does, what is left agrees with itself to the last reference."""

from __future__ import annotations

import os
import random
import threading
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from live import LiveCloud
from trust import checked
from waiting import wait_until

PART = 5 * 1024 * 1024
KEYS = [f"key-{number}" for number in range(6)]
BUCKETS = {"plain": "", "versions": "Enabled", "paused": "Suspended"}


class Busy:
    """Threads that do everything to a few keys, until the server is gone."""

    def __init__(self, s3: Any, seed: int) -> None:
        self._s3 = s3
        self.done = 0
        self._threads = [threading.Thread(target=self._work, args=(random.Random(seed * 10 + n),)) for n in range(4)]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def _work(self, chance: random.Random) -> None:
        works = [self._put, self._put, self._seal, self._copy, self._delete, self._delete_version, self._parts]
        while True:
            try:
                chance.choice(works)(chance, {"Bucket": chance.choice(list(BUCKETS)), "Key": chance.choice(KEYS)})
            except ClientError:
                pass  # gone before it was reached
            except BotoCoreError:
                return
            self.done += 1

    def _put(self, chance: random.Random, at: dict[str, str]) -> None:
        self._s3.put_object(**at, Body=os.urandom(chance.choice([10, 100_000, 400_000])))

    def _seal(self, chance: random.Random, at: dict[str, str]) -> None:
        self._s3.put_object(**at, Body=os.urandom(chance.choice([10, 400_000])), ServerSideEncryption="AES256")

    def _copy(self, chance: random.Random, at: dict[str, str]) -> None:
        self._s3.copy_object(**at, CopySource=f"{chance.choice(list(BUCKETS))}/{chance.choice(KEYS)}")

    def _delete(self, chance: random.Random, at: dict[str, str]) -> None:
        self._s3.delete_object(**at)

    def _delete_version(self, chance: random.Random, at: dict[str, str]) -> None:
        found = self._s3.list_object_versions(Bucket=at["Bucket"], Prefix=at["Key"])
        versions = [*found.get("Versions", []), *found.get("DeleteMarkers", [])]
        if versions:
            self._s3.delete_object(**at, VersionId=chance.choice(versions)["VersionId"])

    def _parts(self, chance: random.Random, at: dict[str, str]) -> None:
        upload = self._s3.create_multipart_upload(**at)["UploadId"]
        sizes = chance.choice([[400_000], [PART, 10]])
        parts = []
        for number, size in enumerate(sizes, 1):
            made = self._s3.upload_part(**at, UploadId=upload, PartNumber=number, Body=os.urandom(size))
            parts.append({"PartNumber": number, "ETag": made["ETag"]})
        if chance.random() < 0.3:
            self._s3.abort_multipart_upload(**at, UploadId=upload)
        elif chance.random() < 0.8:
            self._s3.complete_multipart_upload(**at, UploadId=upload, MultipartUpload={"Parts": parts})


@pytest.mark.parametrize("seed", range(2))
def test_whatever_was_under_way_everything_agrees(tmp_path: Path, seed: int) -> None:
    """Three times in a row: no reference too many or too few, no bytes without their checksum, no version out of line."""
    with LiveCloud(tmp_path) as cloud:
        s3 = cloud.client("s3")
        for bucket, versioning in BUCKETS.items():
            s3.create_bucket(Bucket=bucket)
            if versioning:
                s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": versioning})
        for round_ in range(3):
            busy = Busy(s3, seed * 100 + round_)
            wait_until(
                lambda busy=busy, enough=150 + 40 * round_: busy.done > enough,
                "there is enough under way",
                deadline_s=60,
            )
            cloud.kill()
            busy.join()
            summary, told = checked(cloud.data)
            assert not summary.damage, told[:20]
            assert summary.checked["files"]
            cloud.start()
