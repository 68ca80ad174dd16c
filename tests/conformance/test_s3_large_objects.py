"""An object of 110 GB in 10,000 parts: made of shared bytes, so that the disk and the test stay small."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from live import LiveCloud

MIB = 1024 * 1024
PARTS = 10_000
PART = random.Random(12).randbytes(10 * MIB + MIB // 2)
SIZE = PARTS * len(PART)
GROWTH_MIB_MAX = 40
"""The memory of 10,000 parts while they become an object, and of what CRCs are computed with."""
DISK_MIB_MAX = 60
STALL_S_MAX = 2.0
"""On a machine that runs other tests too; alone it is a tenth of a second."""


class Large:
    """The object, and what making it has cost.

    Attributes:
        stall_s: the longest that a small write had to wait while the parts were put together.
        grown_mib: by how much the server's memory grew.
    """

    def __init__(self, cloud: LiveCloud, bucket: str) -> None:
        self.cloud = cloud
        self.bucket = bucket
        self.client = cloud.client("s3", config=Config(read_timeout=120))
        self.stall_s = 0.0
        # With the checksum that uploads have by default, so that its bytes are shared and need not be read again.
        self.client.put_object(Bucket=bucket, Key="part", Body=PART, ChecksumAlgorithm="CRC64NVME")
        before = memory_mib(cloud.pid)
        self.upload = self.client.create_multipart_upload(Bucket=bucket, Key="large")["UploadId"]
        first = [self._copy(number) for number in range(1, 11)]
        assert disk_mib(cloud) < DISK_MIB_MAX, "the bytes of parts are not shared: 110 GB would be written"
        with ThreadPoolExecutor(4) as pool:
            self.parts = [*first, *pool.map(self._copy, range(11, PARTS + 1))]
        self.listed = self._listed()
        self._complete()
        self.grown_mib = memory_mib(cloud.pid) - before

    def get(self, start: int, end: int) -> bytes:
        answer = self.client.get_object(Bucket=self.bucket, Key="large", Range=f"bytes={start}-{end - 1}")
        return bytes(answer["Body"].read())

    def _copy(self, number: int) -> dict[str, Any]:
        source = {"Bucket": self.bucket, "Key": "part"}
        named = {"Bucket": self.bucket, "Key": "large", "UploadId": self.upload, "PartNumber": number}
        answer = self.client.upload_part_copy(**named, CopySource=source)
        return {"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]}

    def _listed(self) -> list[Any]:
        pages = self.client.get_paginator("list_parts").paginate(Bucket=self.bucket, Key="large", UploadId=self.upload)
        return [part for page in pages for part in page["Parts"]]

    def _complete(self) -> None:
        """While somebody else writes."""
        done = threading.Event()
        waits: list[float] = []

        def write() -> None:
            while not done.is_set():
                begun = time.perf_counter()
                self.client.put_object(Bucket=self.bucket, Key="small", Body=b"x")
                waits.append(time.perf_counter() - begun)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            self.client.complete_multipart_upload(
                Bucket=self.bucket, Key="large", UploadId=self.upload, MultipartUpload={"Parts": self.parts}
            )
        finally:
            done.set()
            writer.join()
        self.stall_s = max(waits)


def memory_mib(pid: int) -> float:
    """Of a process alone, and its share of what it shares."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def disk_mib(cloud: LiveCloud) -> float:
    return sum(path.stat().st_size for path in cloud.data.rglob("*") if path.is_file()) / MIB


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Large]:
    """In a cloud of its own, whose memory and disk nothing else uses."""
    with LiveCloud(tmp_path_factory.mktemp("large")) as cloud:
        cloud.client("s3").create_bucket(Bucket="large")
        made = Large(cloud, "large")
        yield made
        begun = time.perf_counter()
        made.client.delete_object(Bucket="large", Key="large")
        assert time.perf_counter() - begun < STALL_S_MAX


def test_parts_become_an_object_without_holding_others_up(large: Large) -> None:
    """All 10,000 are listed, small writes go on, and the parts' bytes are kept once."""
    assert [part["PartNumber"] for part in large.listed] == list(range(1, PARTS + 1))
    assert {part["Size"] for part in large.listed} == {len(PART)}
    assert large.stall_s < STALL_S_MAX
    assert large.grown_mib < GROWTH_MIB_MAX
    assert disk_mib(large.cloud) < DISK_MIB_MAX


def test_its_attributes_tell_every_part(large: Large) -> None:
    """HEAD and GetObjectAttributes: the size in bytes, 10,000 parts, a thousand a page."""
    head = large.client.head_object(Bucket=large.bucket, Key="large", PartNumber=PARTS)
    assert (head["PartsCount"], head["ContentLength"]) == (PARTS, len(PART))
    assert large.client.head_object(Bucket=large.bucket, Key="large")["ContentLength"] == SIZE > 100 * 10**9
    marker, numbers = 0, []
    while True:
        page = large.client.get_object_attributes(
            Bucket=large.bucket, Key="large", ObjectAttributes=["ObjectParts", "ObjectSize"], PartNumberMarker=marker
        )
        assert (page["ObjectSize"], page["ObjectParts"]["TotalPartsCount"]) == (SIZE, PARTS)
        numbers += [part["PartNumber"] for part in page["ObjectParts"]["Parts"]]
        if not page["ObjectParts"]["IsTruncated"]:
            break
        marker = page["ObjectParts"]["NextPartNumberMarker"]
    assert numbers == list(range(1, PARTS + 1))


def test_ranges_at_the_far_end_and_across_parts(large: Large) -> None:
    """Any byte of it is where it belongs, and behind the last there is none."""
    pick = random.Random(13)
    for start in (SIZE - 1000, 2**32 - 500, *(pick.randrange(SIZE - 1000) for _ in range(20))):
        at = start % len(PART)
        assert large.get(start, start + 1000) == (PART + PART[:1000])[at : at + 1000]
    suffix = large.client.get_object(Bucket=large.bucket, Key="large", Range="bytes=-7")
    assert suffix["ContentRange"] == f"bytes {SIZE - 7}-{SIZE - 1}/{SIZE}"
    assert suffix["Body"].read() == PART[-7:]
    with pytest.raises(ClientError) as refused:
        large.get(SIZE, SIZE + 1)
    assert refused.value.response["Error"]["Code"] == "InvalidRange"


def test_gigabytes_stream_without_memory(large: Large) -> None:
    """2 GB out of the middle, by two readers at once: the server's memory stays as it was."""
    before = memory_mib(large.cloud.pid)

    def read(start: int) -> int:
        body = large.client.get_object(Bucket=large.bucket, Key="large", Range=f"bytes={start}-{start + 10**9 - 1}")
        return sum(len(chunk) for chunk in body["Body"].iter_chunks(4 * MIB))

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(read, (SIZE // 2, SIZE - 10**9))) == [10**9] * 2
    assert memory_mib(large.cloud.pid) - before < 8


def test_parts_of_it_are_copied(large: Large) -> None:
    """Ranges at its end become parts of another object; what shares the bytes does not need what it shares them with."""
    client, bucket = large.client, large.bucket
    upload = client.create_multipart_upload(Bucket=bucket, Key="copy")["UploadId"]
    parts = []
    spans = [(SIZE - 6 * MIB, SIZE), (SIZE - 20 * MIB, SIZE - 14 * MIB)]
    for number, (start, end) in enumerate(spans, start=1):
        named = {"Bucket": bucket, "Key": "copy", "UploadId": upload, "PartNumber": number}
        answer = client.upload_part_copy(
            **named, CopySource=f"{bucket}/large", CopySourceRange=f"bytes={start}-{end - 1}"
        )
        parts.append({"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]})
    client.complete_multipart_upload(Bucket=bucket, Key="copy", UploadId=upload, MultipartUpload={"Parts": parts})
    twice = PART + PART
    wanted = b"".join(twice[2 * len(PART) - (SIZE - start) :][: end - start] for start, end in spans)
    with pytest.raises(ClientError, match="larger than the maximum allowable size"):
        client.copy_object(Bucket=bucket, Key="whole", CopySource=f"{bucket}/large")
    client.delete_object(Bucket=bucket, Key="part")
    assert client.get_object(Bucket=bucket, Key="copy")["Body"].read() == wanted
    client.delete_object(Bucket=bucket, Key="copy")
    assert large.get(SIZE - 100, SIZE) == PART[-100:]
