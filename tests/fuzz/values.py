"""What is put into requests: names that exist, values that were learnt from answers, and values that nobody would send."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import random
import re
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import Any

BUCKETS = ("fuzz-plain", "fuzz-versions", "fuzz-paused", "fuzz-locked", "fuzz-sealed", "fuzz-shared")
KEYS = ("a", "b", "a/b", "a/c/", "é", "a b", "a+b", "%", "index.html", "?x=1", "..", "a//b", "x" * 1024, "\U0001f600")
CUSTOMER_KEYS = tuple(bytes([number]) * 32 for number in (1, 2))
ALIAS = "alias/fuzz"
LEARNT_MAX = 64  # of each kind

NUMBERS = (0, 1, 2, 3, 5, 10, 999, 1000, 1001, 10_000, 10_001, -1, 2**31 - 1, 2**31, 2**32, 2**63 - 1, 2**63, 10**18)
TEXTS = (
    "", " ", "0", "-1", "1", "00", "+1", "1.5", "1e999", "NaN", "-Infinity", "true", "TRUE", "null", "None", "9" * 19, "9" * 20,
    "9" * 400, str(2**63), str(2**64), "-9223372036854775809", "\x01", "\t", "\r\n", "\n", "\x00", "\x7f", "\x85", "é", "\u2028",
    "\ufeff", "\uffff", "\U0001f600", "İ", "\u0661", "²", "%", "%00", "%zz", "%ff", "%c0%ae", "..", "../..", "/", "//", "a" * 1025, "x" * 9000,
    '"', '""', '"a', "'", "<", "&amp;", "]]>", "*", "=", "==", ",", ",,,", ";", ":", "{}", "[]", '{"a":', "arn:aws:s3:::",
    "arn:aws:iam::000000000000:root", "arn:aws:kms:us-east-1:000000000000:key/", "arn:::::::::", "aws:kms", "AES256", "STANDARD",
    "bytes=0-", "bytes=-0", "bytes=-1", "bytes=5-2", "bytes=0-0,2-3", "bytes=99999999999999999999-", "bytes=a-b", "bytes=-",
    "Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-13-45T99:99:99Z", "20261120T120000Z", "-62135596800", "253402300800", "1e18",
    "2026-W01-1", "Mon, 30 Feb 2026 00:00:00 GMT", "AAAA", "////", "a===", "AAAAAAAAAAAAAAAAAAAAAA==", base64.b64encode(bytes(32)).decode(),
    "sha256", "CRC32", "crc64nvme", "SHA512", "XXHASH64", "gzip", "aws-chunked", "aws-chunked,gzip", "chunked", "url", "requester", "COPY",
    "REPLACE", "Enabled", "Suspended", "GOVERNANCE", "COMPLIANCE", "ON", "OFF", "public-read", "private", "null?versionId=null",
)  # fmt: skip
MOMENTS = tuple(datetime(*day, tzinfo=UTC) for day in ((1, 1, 1), (1970, 1, 1), (9999, 12, 31)))
LEARN = {
    "version": re.compile(rb"(?:x-amz-version-id: |VersionId>)([A-Za-z0-9._-]{1,64})"),
    "upload": re.compile(rb"<UploadId>([^<]{1,200})<"),
    "etag": re.compile(rb'(?:ETag: |ETag>)(?:"|&quot;)?([0-9a-f]{32}(?:-\d+)?)'),
    "token": re.compile(rb"(?:NextContinuationToken|NextMarker|NextKeyMarker|ContinuationToken)>([^<]{1,300})<"),
    "kms-key": re.compile(rb'"KeyId":"(?:arn:aws:kms:[^"]*:key/)?([0-9a-f-]{36})"'),
    "kms-blob": re.compile(rb'"CiphertextBlob":"([^"]{1,2000})"'),
    "kms-token": re.compile(rb'"(?:GrantToken|NextMarker|GrantId)":"([^"]{1,2000})"'),
}


@dataclasses.dataclass
class Begun:
    """An upload that was begun, and the ETags of its parts."""

    bucket: str
    key: str
    upload: str
    parts: dict[int, str] = dataclasses.field(default_factory=dict)

    @property
    def place(self) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": self.key, "UploadId": self.upload}


class Values:
    """A source of values: chance, and what answers told.

    Attributes:
        uploads: those that were begun last.
    """

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self._learnt: dict[str, deque[str]] = {kind: deque(maxlen=LEARNT_MAX) for kind in LEARN}
        self.uploads: deque[Begun] = deque(maxlen=8)

    def learn(self, answer: bytes) -> None:
        for kind, pattern in LEARN.items():
            for found in pattern.findall(answer[:20_000])[:4]:
                text = found.decode("latin-1")
                if text not in self._learnt[kind]:
                    self._learnt[kind].append(text)

    def known(self, kind: str) -> str:
        """Something that an answer showed; else something that it could not have shown."""
        learnt = self._learnt[kind]
        if learnt and self.chance.random() < 0.85:
            return self.chance.choice(learnt)
        return self.hostile()

    def often(self, probability: float) -> bool:
        return self.chance.random() < probability

    def pick(self, options: Any) -> Any:
        return self.chance.choice(options)

    def hostile(self) -> str:
        text: str = self.pick(TEXTS)
        return text * self.pick((1, 1, 1, 2, 50)) if len(text) < 10 else text

    def bucket(self) -> str:
        return (
            str(self.pick(BUCKETS))
            if self.often(0.95)
            else self.pick(("absent", "fuzz-new", "a", "A_B", "..", "x" * 64))
        )

    def key(self) -> str:
        if self.often(0.7):
            return str(self.pick(KEYS[:3]))
        return str(self.pick(KEYS)) if self.often(0.85) else self.hostile() or "a"

    def number(self) -> int:
        return int(self.pick(NUMBERS)) if self.often(0.4) else self.chance.randint(0, 12)

    def content(self) -> bytes:
        size = self.pick((0, 0, 1, 5, 100, 100, 4_000, 70_000, 300_000) if self.often(0.3) else (0, 1, 10, 100))
        return self.chance.randbytes(size)

    def moment(self) -> datetime:
        now = datetime.now(UTC)
        near = now + timedelta(seconds=self.chance.randint(-100_000, 100_000))
        return near if self.often(0.7) else self.pick(MOMENTS)

    def customer(self, prefix: str = "") -> dict[str, str]:
        """A key that a request brings along, in the members' words."""
        key = self.pick(CUSTOMER_KEYS)
        md5 = base64.b64encode(hashlib.md5(key).digest()).decode()
        return {
            f"{prefix}SSECustomerAlgorithm": "AES256",
            f"{prefix}SSECustomerKey": base64.b64encode(key).decode(),
            f"{prefix}SSECustomerKeyMD5": md5,
        }
