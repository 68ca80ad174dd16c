"""S3 at operation level: a Harness that can also upload and download, as the edge would."""

from __future__ import annotations

import hashlib
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness import Harness
from pilvi import services
from pilvi.core.caller import Caller, Check
from pilvi.core.effects import Body
from pilvi.services.s3.checksums import compute

MIB = 1024 * 1024


def digest(algorithm: str, data: bytes) -> bytes:
    if algorithm == "md5":
        return hashlib.md5(data, usedforsecurity=False).digest()
    return b64decode(compute(algorithm, data))


class Buckets(Harness):
    """A harness whose requests go to S3."""

    def __init__(self, folder: Path, **options: Any) -> None:
        super().__init__(folder, **options)
        self.asked: list[Check] = []
        self.calls: list[tuple[str, str, dict[str, Any], Caller | None]] = []

    def s3(self, operation: str, /, **request: Any) -> Any:
        return self.run("s3", operation, **request)

    def upload(
        self,
        operation: str,
        data: bytes,
        /,
        *,
        trailers: dict[str, str] | None = None,
        told: frozenset[str] = frozenset(),
        **request: Any,
    ) -> Any:
        """PutObject or UploadPart: planned on a snapshot, staged, attempted. `told`: algorithms of x-amz-trailer."""
        found = services.discover()["s3"].operations[operation]
        assert found.stages is not None
        with self.store.read() as tx:
            plan = found.stages(self.context(tx), request)
        stage = self.store.stage()
        stage.write(data)
        staged = stage.finish({name: digest(name, data) for name in plan.digests | told}, trailers or {})
        try:
            return self.s3(operation, **request, Body=staged)
        except BaseException:
            stage.abort()
            raise

    def put(self, bucket: str, key: str, data: bytes = b"", **request: Any) -> Any:
        return self.upload("PutObject", data, Bucket=bucket, Key=key, **request)

    def part(self, bucket: str, key: str, upload: str, number: int, data: bytes, **request: Any) -> Any:
        return self.upload("UploadPart", data, Bucket=bucket, Key=key, UploadId=upload, PartNumber=number, **request)

    def multipart(self, bucket: str, key: str, parts: list[bytes], **request: Any) -> Any:
        """A whole upload in parts."""
        upload = self.s3("CreateMultipartUpload", Bucket=bucket, Key=key, **request)["UploadId"]
        named = []
        for number, data in enumerate(parts, start=1):
            answer = self.part(bucket, key, upload, number, data)
            sums = {name: value for name, value in answer.items() if name.startswith("Checksum")}
            named.append({"PartNumber": number, "ETag": answer["ETag"], **sums})
        return self.s3(
            "CompleteMultipartUpload", Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": named}
        )

    def get(self, bucket: str, key: str, **request: Any) -> tuple[bytes, dict[str, Any]]:
        """The bytes and the answer of GetObject."""
        found = services.discover()["s3"].operations["GetObject"]
        request |= {"Bucket": bucket, "Key": key}
        with self.store.read() as tx:
            ctx = self.context(tx)
            assert found.check is not None
            found.check(ctx, request)
            answer = found.run(ctx, request)
            body = answer["Body"]
            if isinstance(body, Body):
                body = b"".join(tx.blobs.read(run.blob, run.offset, run.length) for run in body.segments)
        assert answer["ContentLength"] == len(body)
        return body, answer

    def keys(self, bucket: str, **request: Any) -> list[str]:
        """All keys of a bucket, page by page."""
        return [entry["Key"] for page in self.pages(bucket, **request) for entry in page["Contents"]]

    def pages(self, bucket: str, **request: Any) -> Iterator[dict[str, Any]]:
        while True:
            page = self.s3("ListObjectsV2", Bucket=bucket, **request)
            yield page
            if not page["IsTruncated"]:
                return
            request["ContinuationToken"] = page["NextContinuationToken"]

    def checks(self, operation: str, /, **request: Any) -> list[Check]:
        """The questions that an operation poses."""
        found = services.discover()["s3"].operations[operation]
        assert found.check is not None
        with self.store.read() as tx:
            asked = found.check(self.context(tx), request)
        return asked if isinstance(asked, list) else [asked]

    def blobs(self) -> int:
        """How many blobs are kept."""
        with self.store.read() as tx:
            return int(tx.execute("SELECT count(*) FROM blobs", ()).fetchone()[0])  # type: ignore[attr-defined]
