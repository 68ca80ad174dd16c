"""A full disk under object storage: 503 to whoever writes, nothing half there, and with room again all goes on."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from crash.mortal import small_disk
from crash.s3_child import on_write
from crash.s3_stories import STORIES, small_parts
from crash.test_s3_crash import begun, look
from harness import SeededIds
from live import LiveCloud
from pilvi.core.errors import ServiceUnavailable
from pilvi.state.disk import Disk
from s3kit import Buckets
from trust import checked

BUCKET = "photos"
PART = 5 * 1024 * 1024


class FullDisk(Disk):
    """There is no room for the n-th operation on large bodies."""

    def __init__(self) -> None:
        self.left = 0

    def _break(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def create(self, path: Path) -> int:
        self._break()
        return super().create(path)

    def write(self, fd: int, pieces: Sequence[bytes]) -> None:
        whole = b"".join(pieces)
        super().write(fd, [whole[: len(whole) // 2]])
        self._break()
        super().write(fd, [whole[len(whole) // 2 :]])

    def sync(self, fd: int) -> None:
        self._break()
        super().sync(fd)

    def rename(self, source: Path, target: Path) -> None:
        self._break()
        super().rename(source, target)

    def sync_folder(self, path: Path) -> None:
        self._break()
        super().sync_folder(path)


@pytest.mark.parametrize("name", ["copies", "parts", "replication", "versions"])
def test_no_room_at_any_operation_of_a_story(tmp_path: Path, name: str) -> None:
    """The step that it happens to fails whole: what is there is what was there before, and nothing is left over."""
    known, states = begun(tmp_path / "begun", name)
    broken_at, broke = 0, True
    while broke:
        broken_at += 1
        data, disk = tmp_path / str(broken_at), FullDisk()
        shutil.copytree(tmp_path / "begun", data)
        with small_parts(), Buckets(data, disk=disk) as s3:
            s3.ids = SeededIds(1)
            done: list[None] = []
            on_write(s3, lambda done=done: done.append(None))
            disk.left = broken_at
            broke = _breaks(lambda s3=s3: STORIES[name].tell(s3, known))
            disk.left = 0
            assert look(s3) == states[len(done)]
            s3.store.sweep()
        assert checked(data)[1] == []
        shutil.rmtree(data)
    assert broken_at > 5


def _breaks(tell: Callable[[], None]) -> bool:
    try:
        tell()
    except (OSError, ServiceUnavailable):
        return True
    return False


def test_a_disk_that_is_really_full_under_a_server(tmp_path: Path) -> None:
    """Versions, encrypted objects, parts and copies are refused with 503 and leave nothing; reading goes on; then so does
    writing."""
    with small_disk(tmp_path / "disk", "64m") as disk, LiveCloud(disk) as cloud:
        s3 = cloud.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        body = os.urandom(PART)
        s3.put_object(Bucket=BUCKET, Key="kept", Body=body)
        upload = s3.create_multipart_upload(Bucket=BUCKET, Key="parts", ServerSideEncryption="AES256")["UploadId"]
        place = {"Bucket": BUCKET, "Key": "parts", "UploadId": upload}
        first = s3.upload_part(**place, PartNumber=1, Body=body)["ETag"]
        ballast = disk / "ballast"
        with ballast.open("wb") as file:
            _fill(file, PART - (1 << 20))
        before = _seen(s3)
        for refused in (
            lambda: s3.put_object(Bucket=BUCKET, Key="kept", Body=body),
            lambda: s3.put_object(Bucket=BUCKET, Key="new", Body=body, ServerSideEncryption="AES256"),
            lambda: s3.upload_part(**place, PartNumber=2, Body=body),
            lambda: s3.copy_object(
                Bucket=BUCKET, Key="new", CopySource=f"{BUCKET}/kept", ServerSideEncryption="AES256"
            ),
        ):
            with pytest.raises(ClientError) as error:
                refused()
            assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
            assert error.value.response["Error"]["Code"] in ("ServiceUnavailable", "SlowDown")
        assert _seen(s3) == before
        assert s3.get_object(Bucket=BUCKET, Key="kept")["Body"].read() == body
        assert list((cloud.data / "staging").iterdir()) == []
        ballast.unlink()
        second = s3.upload_part(**place, PartNumber=2, Body=b"end")["ETag"]
        named = [{"PartNumber": 1, "ETag": first}, {"PartNumber": 2, "ETag": second}]
        s3.complete_multipart_upload(**place, MultipartUpload={"Parts": named})
        assert s3.get_object(Bucket=BUCKET, Key="parts")["Body"].read() == body + b"end"
        s3.copy_object(Bucket=BUCKET, Key="new", CopySource=f"{BUCKET}/kept", ServerSideEncryption="AES256")
        cloud.stop()
        summary, told = checked(cloud.data)
        assert not summary.damage, told


def _fill(file: Any, room: int) -> None:
    """Takes all of the disk but so many bytes."""
    status = os.statvfs(file.name)
    while status.f_bavail * status.f_frsize > room:
        file.write(bytes(min(1 << 20, status.f_bavail * status.f_frsize - room)))
        file.flush()
        status = os.statvfs(file.name)


def _seen(s3: Any) -> list[tuple[str, str]]:
    listed = s3.list_object_versions(Bucket=BUCKET)
    parts = s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
    return [(one["Key"], one["VersionId"]) for one in listed["Versions"]] + [
        (one["Key"], one["UploadId"]) for one in parts
    ]
