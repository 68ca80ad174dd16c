"""S3 at operation level: a Harness that can also upload and download, as the edge would."""

from __future__ import annotations

import hashlib
import http.client
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import msgspec
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

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
        stage = self.store.stage(plan.seal, plan.digests)
        stage.write(data)
        staged = stage.finish({name: digest(name, data) for name in plan.digests | told}, trailers or {})
        if plan.carry is not None:
            staged = msgspec.structs.replace(staged, carry=plan.carry)
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
                body = b"".join(tx.blobs.read(run.blob, run.offset, run.length, key=run.key) for run in body.segments)
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


# -- over HTTP ---------------------------------------------------------------------------------------------------------


class Raw:
    """Requests that SDKs refuse to send: the path goes out as it is given.

    Args:
        endpoint, access_key, secret_key: where, and who signs; without a key nothing is signed.
    """

    def __init__(self, endpoint: str, access_key: str = "", secret_key: str = "", region: str = "us-east-1") -> None:
        self.host = endpoint.removeprefix("http://")
        self.credentials = Credentials(access_key, secret_key) if access_key else None
        self.region = region

    def __call__(
        self, method: str, target: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers (names in lower case) and body of the answer."""
        request = AWSRequest(
            method, f"http://{self.host}{target}", headers={"Host": self.host, **(headers or {})}, data=body
        )
        if self.credentials is not None:
            S3SigV4Auth(self.credentials, "s3", self.region).add_auth(request)
        connection = http.client.HTTPConnection(self.host, timeout=30)
        try:
            connection.request(method, target, body or None, dict(request.headers.items()))
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()


def code_of(body: bytes) -> str:
    """The code of an error document."""
    root = ET.fromstring(body)
    assert root.tag == "Error"
    return root.findtext("Code", "")
