"""The pure rules of S3: names, ranges, conditions, tags, checksums, walking."""

from __future__ import annotations

import bisect
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilvi.core.digests import combined
from pilvi.core.effects import Staged
from pilvi.core.errors import CloudError
from pilvi.services.s3 import checksums, conditions, ranges
from pilvi.services.s3.errors import (
    BadDigest,
    BadRequest,
    InvalidArgument,
    InvalidBucketName,
    InvalidDigest,
    InvalidPartNumber,
    InvalidRange,
    InvalidRequest,
    InvalidTag,
    InvalidURI,
    KeyTooLongError,
    NoSuchKey,
    NotModified,
    PreconditionFailed,
)
from pilvi.services.s3.listing.marks import decode_mark, encode_mark
from pilvi.services.s3.listing.walk import after, walk
from pilvi.services.s3.names import check_bucket_name, check_key, successor
from pilvi.services.s3.notifications.notify import matches
from pilvi.services.s3.policies.public import is_public
from pilvi.services.s3.records import NotificationRule, Piece, StoredObject
from pilvi.services.s3.tagging import tags

# -- names -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["abc", "a" * 63, "my.bucket-1", "0ab", "a1-b2.c3"])
def test_valid_bucket_names(name: str) -> None:
    """Names by AWS's rules are accepted."""
    check_bucket_name(name)


@pytest.mark.parametrize(
    "name",
    ["ab", "a" * 64, "Abc", "a_b", "-abc", "abc-", ".abc", "abc.", "a..b", "192.168.5.4", "xn--abc", "sthree-x",
     "amzn-s3-demo-x", "abc-s3alias", "abc--ol-s3", "abc.mrap", "abc--x-s3", "../..", "a/b", "a\nb", "a\x00b", "äöü",
     "abc\n", ""],
)  # fmt: skip
def test_invalid_bucket_names(name: str) -> None:
    """Everything else is InvalidBucketName."""
    with pytest.raises(InvalidBucketName):
        check_bucket_name(name)


def test_key_length_counts_bytes() -> None:
    """A key has 1,024 bytes of UTF-8 at most, not characters."""
    check_key("k" * 1024)
    check_key("ä" * 512)
    with pytest.raises(KeyTooLongError) as failure:
        check_key("ä" * 513)
    assert failure.value.fields == {"Size": 1026, "MaxSizeAllowed": 1024}


def test_key_of_lone_surrogates() -> None:
    """What is no UTF-8 is no key."""
    with pytest.raises(InvalidURI):
        check_key("a\ud800")


texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(texts, texts)
def test_successor_is_behind_everything_with_the_prefix(prefix: str, tail: str) -> None:
    """successor(p) is greater, byte by byte, than whatever begins with p."""
    bound = successor(prefix)
    if bound:
        assert (prefix + tail).encode() < bound.encode()
    else:
        assert prefix.strip("\U0010ffff") == ""


@given(texts, texts)
def test_successor_is_the_first_behind(prefix: str, other: str) -> None:
    """Nothing lies between what begins with p and successor(p)."""
    bound = successor(prefix)
    if bound and prefix.encode() <= other.encode() < bound.encode():
        assert other.startswith(prefix)


def test_marks_round_trip_and_refuse_inventions() -> None:
    """A continuation token is what a listing gave out, or InvalidArgument."""
    for text in ("a", "ä/ö\n", "\U0010ffff" * 100):
        assert decode_mark(encode_mark(text)) == text
    for token in ("", "AQ", "abc", "!!!!", "ä", encode_mark("x")[1:]):
        with pytest.raises(InvalidArgument):
            decode_mark(token)


# -- ranges ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "size", "span"),
    [
        ("bytes=0-0", 10, (0, 1)),
        ("bytes=0-99", 10, (0, 10)),
        ("bytes=5-", 10, (5, 10)),
        ("bytes=-3", 10, (7, 10)),
        ("bytes=-30", 10, (0, 10)),
        ("bytes=9-9", 10, (9, 10)),
        (" bytes = 1 - 2 ", 10, (1, 3)),
        ("bytes=3-1", 10, None),
        ("bytes=-", 10, None),
        ("bytes=0-1,3-4", 10, None),
        ("lines=0-1", 10, None),
        ("bytes=a-b", 10, None),
        ("bytes=\u0661-\u0662", 10, None),
        (f"bytes=0-{'9' * 5000}", 10, None),
        ("", 10, None),
    ],
)
def test_range_headers(header: str, size: int, span: tuple[int, int] | None) -> None:
    """One range of bytes is obeyed, anything else ignored (RFC 9110, 14.2)."""
    assert ranges.parse_range(header, size) == span


@pytest.mark.parametrize(("header", "size"), [("bytes=10-", 10), ("bytes=-0", 10), ("bytes=0-", 0), ("bytes=-5", 0)])
def test_ranges_of_nothing(header: str, size: int) -> None:
    """A range without a byte that exists is 416 and says what there is."""
    with pytest.raises(InvalidRange) as failure:
        ranges.parse_range(header, size)
    assert failure.value.status == 416
    assert failure.value.fields == {"RangeRequested": header, "ActualObjectSize": size}


@given(st.data())
def test_cut_is_a_slice(data: st.DataObject) -> None:
    """The runs of a span are exactly its bytes, however the pieces are made up."""
    runs_of = st.lists(st.integers(1, 5), max_size=3)
    blobs: dict[int, bytes] = {}
    pieces = []
    whole = b""
    for number, lengths in enumerate(data.draw(st.lists(runs_of, max_size=5)), start=1):
        runs = []
        for length in lengths:
            blob = len(blobs)
            blobs[blob] = bytes([blob + 1] * (length + 4))
            runs.append((blob, 2, length))
            whole += blobs[blob][2 : 2 + length]
        pieces.append(Piece(number, sum(lengths), "", "", tuple(runs)))
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, len(whole)))
    cut = ranges.cut(pieces, (start, end))
    assert b"".join(blobs[blob][offset : offset + length] for blob, offset, length in cut) == whole[start:end]
    assert all(length > 0 for _, _, length in cut)


def test_part_numbers() -> None:
    """A part is found by its number, which need not be its place."""
    pieces = (Piece(2, 5, "a", "", ()), Piece(7, 3, "b", "", ()))
    assert ranges.part_span(pieces, 7) == ((5, 8), pieces[1])
    with pytest.raises(InvalidPartNumber) as failure:
        ranges.part_span(pieces, 1)
    assert failure.value.status == 416


# -- conditions --------------------------------------------------------------------------------------------------------

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
OBJECT = StoredObject(1, "k", 3, int(AT.timestamp() * 1000) + 678, "abc")
BEFORE, LATER = AT - timedelta(seconds=1), AT + timedelta(seconds=1)


@pytest.mark.parametrize(
    "req",
    [
        {},
        {"IfMatch": '"abc"'},
        {"IfMatch": "abc"},
        {"IfMatch": '"x", "abc"'},
        {"IfMatch": "*"},
        {"IfNoneMatch": '"x"'},
        {"IfModifiedSince": BEFORE},
        {"IfUnmodifiedSince": AT},
        {"IfMatch": '"abc"', "IfUnmodifiedSince": BEFORE},
        {"IfNoneMatch": '"x"', "IfModifiedSince": LATER},
    ],
)
def test_conditions_that_hold(req: dict[str, Any]) -> None:
    """If-Match overrules If-Unmodified-Since, If-None-Match overrules If-Modified-Since; times count in seconds."""
    conditions.check_read(req, OBJECT)


@pytest.mark.parametrize(
    ("req", "header"),
    [
        ({"IfMatch": '"x"'}, "If-Match"),
        ({"IfMatch": '"x"', "IfUnmodifiedSince": LATER}, "If-Match"),
        ({"IfUnmodifiedSince": BEFORE}, "If-Unmodified-Since"),
        ({"IfUnmodifiedSince": BEFORE, "IfNoneMatch": '"abc"'}, "If-Unmodified-Since"),
    ],
)
def test_conditions_that_fail(req: dict[str, Any], header: str) -> None:
    """412, naming the condition; it comes before 304."""
    with pytest.raises(PreconditionFailed) as failure:
        conditions.check_read(req, OBJECT)
    assert failure.value.fields == {"Condition": header}


@pytest.mark.parametrize(
    "req",
    [
        {"IfNoneMatch": '"abc"'},
        {"IfNoneMatch": "*"},
        {"IfNoneMatch": 'W/"abc"'},
        {"IfModifiedSince": AT},
        {"IfModifiedSince": LATER},
        {"IfNoneMatch": '"abc"', "IfModifiedSince": BEFORE},
        {"IfMatch": '"abc"', "IfNoneMatch": '"abc"'},
    ],
)
def test_not_modified(req: dict[str, Any]) -> None:
    """304 carries the entity tag and the time, as RFC 9110 wants."""
    with pytest.raises(NotModified) as failure:
        conditions.check_read(req, OBJECT)
    assert failure.value.headers == {"ETag": '"abc"', "Last-Modified": "Fri, 02 Jan 2026 03:04:05 GMT"}


def test_conditional_writes() -> None:
    """If-None-Match: * is for keys without an object, If-Match for those with this one."""
    conditions.check_write({"IfNoneMatch": "*"}, None, "k")
    conditions.check_write({"IfNoneMatch": '"x"'}, OBJECT, "k")
    conditions.check_write({"IfMatch": '"abc"'}, OBJECT, "k")
    for req, present, kind in (
        ({"IfNoneMatch": "*"}, OBJECT, PreconditionFailed),
        ({"IfMatch": '"x"'}, OBJECT, PreconditionFailed),
        ({"IfMatch": '"abc"'}, None, NoSuchKey),
        ({"IfNoneMatch": '"abc"'}, OBJECT, PreconditionFailed),
    ):
        with pytest.raises(kind):
            conditions.check_write(req, present, "k")


# -- tags --------------------------------------------------------------------------------------------------------------


def test_tagging_header() -> None:
    """A query string, decoded; a value may be missing."""
    assert tags.parse_header("a=1&b+c=%C3%A4&d=&e") == {"a": "1", "b c": "ä", "d": "", "e": ""}
    assert tags.parse_header("") == {}


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        ("a=1&a=2", InvalidArgument),
        ("=1", InvalidArgument),
        ("a=b=c", InvalidArgument),
        ("&".join(f"k{n}=v" for n in range(11)), BadRequest),
        ("k" * 129 + "=v", InvalidTag),
        ("k=" + "v" * 257, InvalidTag),
        ("k=%3C", InvalidTag),
        ("aws:x=1", InvalidTag),
    ],
)
def test_tags_that_cannot_be(header: str, kind: type[CloudError]) -> None:
    """Ten tags of 128 and 256 characters, of letters, digits, spaces and + - = . _ : / @."""
    with pytest.raises(kind):
        tags.parse_header(header)


# -- checksums ---------------------------------------------------------------------------------------------------------

CHECK = b"123456789"


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("crc32", "cbf43926"),
        ("crc32c", "e3069283"),
        ("crc64nvme", "ae8b14860a799888"),
        ("sha1", "f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
        ("sha256", "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"),
    ],
)
def test_published_check_values(kind: str, value: str) -> None:
    """Each algorithm gives its catalogue's value for 123456789."""
    assert b64decode(checksums.compute(kind, CHECK)).hex() == value


@given(st.sampled_from(["crc32", "crc32c", "crc64nvme"]), st.lists(st.binary(max_size=200), max_size=6))
def test_combined_checksums_are_those_of_the_whole(kind: str, parts: list[bytes]) -> None:
    """The CRC of a whole follows from its parts' CRCs and lengths."""
    whole = combined(kind, [(b64decode(checksums.compute(kind, part)), len(part)) for part in parts])
    assert b64encode(whole).decode() == checksums.compute(kind, b"".join(parts))


def test_combining_is_quick_for_large_parts() -> None:
    """The cost does not grow with the parts' length: the CRC of 5 TB takes no reading."""
    zeros = zlib.crc32(bytes(1024))
    parts = [(zeros.to_bytes(4, "big"), 1024)] * 64
    assert combined("crc32", parts) == zlib.crc32(bytes(65536)).to_bytes(4, "big")
    assert len(combined("crc64nvme", [(b"\x01" * 8, 5 * 1024**3)] * 1000)) == 8


def staged(data: bytes, *kinds: str, **trailers: str) -> Staged:
    digests = {kind: b64decode(checksums.compute(kind, data)) for kind in kinds}
    import hashlib

    digests["md5"] = hashlib.md5(data, usedforsecurity=False).digest()
    return Staged(len(data), digests, data, "", {name.replace("_", "-"): value for name, value in trailers.items()})


def test_without_a_checksum_crc64nvme_is_kept() -> None:
    """What S3 adds today when the client says nothing."""
    promise = checksums.declared({})
    assert checksums.digests(promise) == {"md5", "crc64nvme"}
    assert checksums.verified(staged(CHECK, "crc64nvme"), promise) == ("crc64nvme", "rosUhgp5mIg=")


def test_checksum_in_a_header() -> None:
    """It is computed and compared."""
    right = checksums.declared({"ChecksumAlgorithm": "CRC32", "ChecksumCRC32": "y/Q5Jg=="})
    assert checksums.verified(staged(CHECK, "crc32"), right) == ("crc32", "y/Q5Jg==")
    wrong = checksums.declared({"ChecksumCRC32": "AAAAAA=="})
    with pytest.raises(BadDigest, match="The CRC32 you specified did not match the calculated checksum"):
        checksums.verified(staged(CHECK, "crc32"), wrong)


def test_checksum_in_the_trailer() -> None:
    """Announced by x-amz-sdk-checksum-algorithm, or by x-amz-trailer alone (then the edge computes it too)."""
    announced = checksums.declared({"ChecksumAlgorithm": "CRC32"})
    assert checksums.verified(staged(CHECK, "crc32", x_amz_checksum_crc32="y/Q5Jg=="), announced)[0] == "crc32"
    plain = checksums.declared({})
    body = staged(CHECK, "crc64nvme", "sha1", x_amz_checksum_sha1="98O8HYCOBHMq32eZZczDTKeuNEE=")
    assert checksums.verified(body, plain) == ("sha1", "98O8HYCOBHMq32eZZczDTKeuNEE=")
    with pytest.raises(BadDigest):
        checksums.verified(staged(CHECK, "crc32", x_amz_checksum_crc32="AAAAAA=="), announced)
    with pytest.raises(InvalidRequest, match="no corresponding"):
        checksums.verified(staged(CHECK, "crc32"), announced)


@pytest.mark.parametrize(
    ("req", "kind"),
    [
        ({"ChecksumCRC32": "y/Q5Jg==", "ChecksumSHA1": "98O8HYCOBHMq32eZZczDTKeuNEE="}, InvalidRequest),
        ({"ChecksumCRC32": "!"}, InvalidRequest),
        ({"ChecksumCRC32": "AAAA"}, InvalidRequest),
        ({"ChecksumCRC32": "y/Q5Jg==", "ChecksumAlgorithm": "SHA1"}, InvalidRequest),
        ({"ChecksumAlgorithm": "CRC7"}, InvalidRequest),
        ({"ChecksumAlgorithm": "XXHASH32"}, InvalidRequest),
        ({"ChecksumXXHASH3": "AAAA"}, InvalidRequest),
        ({"ChecksumMD5": "AAAA"}, InvalidRequest),
        ({"ContentMD5": "AAAA"}, InvalidDigest),
        ({"ContentMD5": "not base64 at all !!!!!"}, InvalidDigest),
    ],
)
def test_promises_that_cannot_be_kept(req: dict[str, Any], kind: type[CloudError]) -> None:
    """Refused before the body is read."""
    with pytest.raises(kind):
        checksums.declared(req)


def test_content_md5() -> None:
    """Compared with what came."""
    checksums.verified(staged(CHECK, "crc64nvme"), checksums.declared({"ContentMD5": "JfnnlDI7RTiF9RgfG2JNCw=="}))
    with pytest.raises(BadDigest):
        checksums.verified(
            staged(b"other", "crc64nvme"), checksums.declared({"ContentMD5": "JfnnlDI7RTiF9RgfG2JNCw=="})
        )


# -- walking -----------------------------------------------------------------------------------------------------------


class Rows:
    """An ordered table that counts what is read from it."""

    def __init__(self, keys: set[str]) -> None:
        self.keys = sorted(keys, key=str.encode)
        self.read = 0

    def __call__(self, start: str, end: str, limit: int | None) -> Iterator[SimpleNamespace]:
        encoded = [key.encode() for key in self.keys]
        low = bisect.bisect_left(encoded, start.encode())
        high = bisect.bisect_left(encoded, end.encode()) if end else len(encoded)
        for count, key in enumerate(self.keys[low:high]):
            if limit is not None and count >= limit:
                return
            self.read += 1
            yield SimpleNamespace(key=key)


def folded(keys: set[str], prefix: str, delimiter: str) -> list[str]:
    """What a listing shows in all, by S3's definition."""
    shown = set()
    for key in keys:
        if key.startswith(prefix):
            cut = key.find(delimiter, len(prefix)) if delimiter else -1
            shown.add(key if cut < 0 else key[: cut + len(delimiter)])
    return sorted(shown, key=str.encode)


small = st.text("ab/\U0010ffff", max_size=6)


@given(st.sets(small.filter(bool), max_size=30), small, st.sampled_from(["", "/", "a", "//"]), st.integers(1, 4))
def test_pages_together_show_everything_once(keys: set[str], prefix: str, delimiter: str, most: int) -> None:
    """Walked page by page, a listing shows each key and common prefix once, in order of its bytes."""
    shown: list[str] = []
    start = ""
    while True:
        page = walk(Rows(keys), prefix=prefix, delimiter=delimiter, start=start, most=most)
        here = sorted([row.key for row in page.entries] + page.prefixes, key=str.encode)
        assert len(here) == most or not page.truncated
        shown += here
        if not page.truncated:
            break
        assert page.last == here[-1]
        start = after(page.last, prefix, delimiter)
    assert shown == folded(keys, prefix, delimiter)


def test_a_common_prefix_is_skipped_not_scanned() -> None:
    """Ten thousand keys behind one common prefix cost a handful of reads."""
    rows = Rows({f"a/{n:05}" for n in range(10_000)} | {"b/1", "c"})
    page = walk(rows, prefix="", delimiter="/", start="", most=1000)
    assert page.prefixes == ["a/", "b/"]
    assert [row.key for row in page.entries] == ["c"]
    assert rows.read < 20


# -- who is everybody --------------------------------------------------------------------------------------------------


def policy(**statement: Any) -> str:
    import msgspec

    whole = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", **statement}
    return msgspec.json.encode({"Version": "2012-10-17", "Statement": [whole]}).decode()


@pytest.mark.parametrize(
    ("statement", "public"),
    [
        ({"Principal": "*"}, True),
        ({"Principal": {"AWS": "*"}}, True),
        ({"Principal": {"AWS": ["arn:aws:iam::111111111111:root", "*"]}}, True),
        ({"Principal": {"AWS": "arn:aws:iam::111111111111:root"}}, False),
        ({"Principal": {"Service": "cloudfront.amazonaws.com"}}, False),
        ({"Principal": "*", "Effect": "Deny"}, False),
        ({"NotPrincipal": {"AWS": "arn:aws:iam::111111111111:root"}}, True),
        ({"Principal": "*", "Condition": {"StringEquals": {"aws:SourceAccount": "111111111111"}}}, False),
        ({"Principal": "*", "Condition": {"StringLike": {"aws:PrincipalOrgID": "*"}}}, True),
        ({"Principal": "*", "Condition": {"StringNotEquals": {"aws:SourceAccount": "111111111111"}}}, True),
        ({"Principal": "*", "Condition": {"StringEquals": {"s3:prefix": "a"}}}, True),
        ({"Principal": "*", "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}, False),
        ({"Principal": "*", "Condition": {"StringEquals": {"aws:userid": "AIDAEXAMPLE"}}}, False),
        ({"Principal": "*", "Condition": {"StringEqualsIgnoreCase": {"aws:userid": "Anonymous"}}}, True),
        ({"Principal": "*", "Condition": {"IpAddress": {"aws:SourceIp": "0.0.0.0/1"}}}, True),
    ],
)
def test_public_policies(statement: dict[str, Any], public: bool) -> None:
    """Everybody, unless a fixed value narrows it."""
    assert is_public(policy(**statement)) is public


# -- who is told -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "prefix", "suffix", "told"),
    [
        (("ObjectCreated:*",), "", "", True),
        (("ObjectCreated:Put",), "in/", ".jpg", True),
        (("ObjectCreated:Copy",), "", "", False),
        (("ObjectRemoved:*",), "", "", False),
        (("ObjectRemoved:*", "ObjectCreated:Put"), "", "", True),
        (("ObjectCreated:*",), "out/", "", False),
        (("ObjectCreated:*",), "", ".png", False),
    ],
)
def test_rules_match_events_and_keys(events: tuple[str, ...], prefix: str, suffix: str, told: bool) -> None:
    """By event (or its group), prefix and suffix."""
    rule = NotificationRule("1", "function", "arn", events, prefix, suffix)
    assert matches(rule, "ObjectCreated:Put", "in/a.jpg") is told
