"""Lists of many structures are written column by column: the same text as one by one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.parsers
import botocore.session
import pytest

from pilvi.wire import protocol

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


def entry(number: int) -> dict[str, Any]:
    return {"Key": f"k{number}", "LastModified": NOW + timedelta(seconds=number), "ETag": '"e"', "Size": number}


def read_back(contents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    response = protocol.codec("s3", "rest-xml").serialise("ListObjectsV2", {"Contents": contents}, "request-1")
    shape = botocore.session.get_session().get_service_model("s3").operation_model("ListObjectsV2").output_shape
    answer = {"status_code": 200, "headers": {}, "body": response.body, "context": {}}
    parsed: dict[str, Any] = botocore.parsers.RestXMLParser().parse(answer, shape)
    return list(parsed["Contents"])


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"Key": "<&>'\" ä€😀 "},
        {"Key": ""},
        {"Key": "carriage\rreturn"},
        {"LastModified": NOW + timedelta(microseconds=123_000)},
        {"StorageClass": "STANDARD"},
        {"Owner": {"ID": "1<2", "DisplayName": "x"}},
        {"ChecksumAlgorithm": ["CRC32"]},
        {"ChecksumAlgorithm": ["CRC32", "SHA1"]},
    ],
    ids=lambda change: "-".join(change) or "equal",
)
@pytest.mark.parametrize("changed", [(), (0,), (19,), (3, 7), range(20)], ids=len)
def test_lists(change: dict[str, Any], changed: tuple[int, ...]) -> None:
    """botocore reads every entry as it was, whichever of them differ from the others and in what."""
    contents = [entry(number) | (change if number in changed else {}) for number in range(20)]
    assert read_back(contents) == contents


def test_other_members_of_the_same_number() -> None:
    """An entry with as many members, but not the same ones, is written with its own."""
    other = {"Key": "other", "ETag": '"e"', "Size": 1, "StorageClass": "GLACIER"}
    contents = [*(entry(number) for number in range(12)), other]
    assert read_back(contents) == contents


def test_order_of_members_does_not_matter() -> None:
    """Elements stand in the model's order, however the result was put together."""
    forwards = [entry(number) for number in range(12)]
    backwards = [dict(reversed(each.items())) for each in forwards]
    codec = protocol.codec("s3", "rest-xml")
    texts = {codec.serialise("ListObjectsV2", {"Contents": each}, "r").body for each in (forwards, backwards)}
    assert len(texts) == 1


def test_empty_lists() -> None:
    """An empty list is no element at all."""
    assert b"Contents" not in bytes(
        protocol.codec("s3", "rest-xml").serialise("ListObjectsV2", {"Contents": []}, "r").body
    )
