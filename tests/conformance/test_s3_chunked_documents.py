"""Documents, too, may come in the aws-chunked coding: signed by chunks, or with their checksum behind."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from handmade import Answer, Chunked, Signer, Wire
from live import LiveCloud, Unique

SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
TAGS = b"<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"
CRC = f"x-amz-checksum-crc32:{base64.b64encode(zlib.crc32(TAGS).to_bytes(4, 'big')).decode()}"
WRONG_CRC = "x-amz-checksum-crc32:AAAAAA=="


@pytest.fixture
def s3(cloud: LiveCloud) -> Any:
    return cloud.client("s3")


@pytest.fixture
def bucket(s3: Any, unique: Unique) -> Iterator[str]:
    name = unique("bucket")
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="k", Body=b"x")
    yield name
    s3.delete_object(Bucket=name, Key="k")
    s3.delete_bucket(Bucket=name)


def tag(cloud: LiveCloud, bucket: str, case: Chunked, signer: Signer) -> Answer:
    wire = Wire(cloud.endpoint)
    target = f"/{bucket}/k?tagging="
    headers, body = case.request(signer, target, wire.host)
    return wire.send("PUT", target, headers, body)


def root(cloud: LiveCloud) -> Signer:
    return Signer(cloud.access_key, cloud.secret_key)


def code(answer: Answer) -> str:
    return ET.fromstring(answer.body).findtext("Code", "")


@pytest.mark.parametrize("form", [SIGNED_TRAILER, UNSIGNED_TRAILER])
@pytest.mark.parametrize("pieces", [(TAGS,), (TAGS + b" " * 8192, b" " * 10)], ids=["one", "two"])
def test_the_document_is_the_content_of_the_chunks(
    cloud: LiveCloud, s3: Any, bucket: str, form: str, pieces: tuple[bytes, ...]
) -> None:
    """Its checksum is the one behind it, which counts as one in a header does."""
    value = base64.b64encode(zlib.crc32(b"".join(pieces)).to_bytes(4, "big")).decode()
    answer = tag(cloud, bucket, Chunked(form, pieces, f"x-amz-checksum-crc32:{value}"), root(cloud))
    assert answer.status == 200, answer
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "a", "Value": "b"}]


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (Chunked(SIGNED, (TAGS,)), "InvalidRequest"),  # the signature is no checksum, and this operation wants one
        (Chunked(SIGNED_TRAILER, (TAGS,), CRC, bad_chunk=0), "SignatureDoesNotMatch"),
        (Chunked(SIGNED_TRAILER, (TAGS,), CRC, bad_trailer=True), "SignatureDoesNotMatch"),
        (Chunked(SIGNED_TRAILER, (TAGS,), WRONG_CRC), "BadDigest"),
        (Chunked(UNSIGNED_TRAILER, (TAGS,), WRONG_CRC), "BadDigest"),
        (Chunked(UNSIGNED_TRAILER, (TAGS,), CRC, length=len(TAGS) + 1), "IncompleteBody"),
        (Chunked(UNSIGNED_TRAILER, (TAGS,), CRC, cut=60), "IncompleteBody"),
    ],
)
def test_broken_documents(cloud: LiveCloud, s3: Any, bucket: str, case: Chunked, expected: str) -> None:
    """A wrong signature or checksum, too little or too much: nothing is changed."""
    assert code(tag(cloud, bucket, case, root(cloud))) == expected
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == []
