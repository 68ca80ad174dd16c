"""Sends requests to a cloud for a while, as its root, as a user and as nobody, and tells of everything that should not be."""

from __future__ import annotations

import collections
import contextlib
import json
import random
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from botocore.exceptions import ClientError

import forms
from fuzz import asks, wire
from fuzz.asks import Ask
from fuzz.values import ALIAS, BUCKETS, KEYS, Begun, Values
from handmade import Signer
from live import LiveCloud

FINE = frozenset({501, 503})  # of what begins with a five: not built, and not now
MEMORY_MIB_MAX = 900
TEND_EVERY = 400  # requests, after which what was destroyed is made again
FINDINGS_MAX = 50
TRUST = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sts:AssumeRole"}


class Fuzz:
    """A run against a cloud.

    Attributes:
        findings: what should not be, at most FINDINGS_MAX of it.
        statuses: how often which status was answered; 0 where the connection was closed.
        memory_mib: the most that the server ever held.
    """

    def __init__(self, cloud: LiveCloud, seed: int) -> None:
        self.cloud = cloud
        self.findings: list[str] = []
        self.statuses: collections.Counter[int] = collections.Counter()
        self.codes: collections.Counter[str] = collections.Counter()
        self.operations: collections.Counter[str] = collections.Counter()
        self.memory_mib = 0.0
        self._seed = seed
        self._failed: dict[str, bytes] = {}  # requests, by their ids
        self._seen: set[str] = set()
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._people = (wire.Who(cloud.access_key, cloud.secret_key), _user(cloud), wire.Who())

    def run(self, *, seconds: float = 3600.0, requests: int = 1_000_000_000, threads: int = 3) -> None:
        """Until the time is over or so many requests were sent."""
        end = time.monotonic() + seconds
        with ThreadPoolExecutor(threads) as pool:
            workers = [pool.submit(self._work, number, requests // threads, end) for number in range(threads)]
        for worker in workers:
            worker.result()
        if not self.cloud.healthy():
            self._find("the server does not answer its health check")
        status = Path(f"/proc/{self.cloud.pid}/status").read_text()
        self.memory_mib = int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]
        if self.memory_mib > MEMORY_MIB_MAX:
            self._find(f"the server held {self.memory_mib:.0f} MiB")
        for trace, asked in self._traces().items():
            self.findings.append(f"{trace[-3000:]}\n{asked!r}")

    def _traces(self) -> dict[str, bytes]:
        """The log's tracebacks, each once, with a request that led to it."""
        found: dict[str, bytes] = {}
        for line in self.cloud.output().splitlines():
            if "Traceback (most recent call last)" in line:
                trace = str(json.loads(line)["traceback"]) if line.startswith("{") else line
                number = re.search(r"request (\S+) failed", line)
                frames = re.findall(r'File "[^"]*", line \d+', trace)
                if (place := "\n".join(frames[-2:])) not in self._seen:
                    self._seen.add(place)
                    found[trace] = self._failed.get(number[1] if number else "", b"")
        return found

    def _work(self, number: int, requests: int, end: float) -> None:
        values = Values(random.Random(f"{self._seed}/{number}"))
        port = int(self.cloud.endpoint.rpartition(":")[2])
        host, connection = f"127.0.0.1:{port}", wire.Socket(port)
        for count in range(requests):
            if time.monotonic() > end or self._over.is_set():
                break
            if count % TEND_EVERY == 0 and number == 0:
                tend(self.cloud)
            who = self._people[values.pick((0, 0, 0, 0, 0, 0, 1, 1, 1, 2))]
            if values.often(0.03):
                ask, who = _form(values, self._people[0]), wire.Who()
            else:
                ask = asks.make(values)
            raw, whole = wire.written(values, ask, who, host)
            try:
                answer = connection.ask(raw, whole=whole)
            except (AssertionError, TimeoutError, OSError) as error:
                self._find(f"{error!r}\n{raw[:3000]!r}")
                connection.close()
                continue
            values.learn(answer.head + b"\n" + answer.body)
            if answer.status == 200:
                _note_upload(values, ask, answer)
            self._judge(ask, raw, answer)
        connection.close()

    def _judge(self, ask: Ask, raw: bytes, answer: wire.Answer) -> None:
        code = re.search(rb"<Code>([A-Za-z.]+)</Code>|\"__type\":\"([A-Za-z.]+)", answer.body[:2000])
        with self._lock:
            self.statuses[answer.status] += 1
            if code:
                self.codes[(code[1] or code[2]).decode()] += 1
            if answer.status < 400:
                self.operations[ask.operation] += 1
        if answer.status >= 500 and answer.status not in FINE:
            number = re.search(rb"request-?id: (\S+)", answer.head, re.IGNORECASE)
            with self._lock:
                self._failed[number[1].decode() if number else ""] = raw[:3000]
            if len(self._failed) == 1:
                self._find(f"{answer.status} {answer.head!r} {answer.body[:500]!r}\n{raw[:3000]!r}")
        if b"<Code>InternalError" in answer.body:
            self._find(f"an error of ours in an answer: {answer.body[:500]!r}\n{raw[:3000]!r}")
        if b"/xml" in answer.head and answer.body:
            try:
                ET.fromstring(answer.body)
            except ET.ParseError as error:
                if b"<?xml" in answer.body[:10]:  # else it is what somebody stored
                    self._find(f"no XML: {error} {answer.body[:500]!r}\n{raw[:3000]!r}")

    def _find(self, what: str) -> None:
        with self._lock:
            if len(self.findings) < FINDINGS_MAX:
                self.findings.append(what)
            else:
                self._over.set()


def _note_upload(values: Values, ask: Ask, answer: wire.Answer) -> None:
    """Uploads that were begun, and what has come of them."""
    query = dict(ask.query)
    if ask.operation == "CreateMultipartUpload":
        found = re.search(rb"<Bucket>([^<]*)</Bucket><Key>([^<]*)</Key><UploadId>([^<]*)<", answer.body)
        if found:
            bucket, key, upload = (unescape(text.decode()) for text in found.groups())
            values.uploads.append(Begun(bucket, key, upload))
    elif ask.operation in ("UploadPart", "UploadPartCopy"):
        etag = re.search(rb'etag(?:: |>)(?:"|&quot;)([0-9a-f]{32})', answer.head + answer.body, re.IGNORECASE)
        for begun in values.uploads:
            if begun.upload == query.get("uploadId") and etag and str(query.get("partNumber")).isdecimal():
                begun.parts[int(str(query["partNumber"]))] = etag[1].decode()


def _form(values: Values, who: wire.Who) -> Ask:
    """An upload by an HTML form, as a browser would post it, or nearly."""
    fields = {"key": values.key(), **forms.signed(Signer(who.key, who.secret), ["starts-with", "$key", ""])}
    for _ in range(values.pick((0, 0, 1, 2, 4))):
        name = values.pick(("acl", "tagging", "success_action_status", "success_action_redirect", "x-amz-meta-a", "Content-Type", "policy", "key",
                            "x-amz-signature", "x-amz-server-side-encryption", "x-amz-checksum-crc32", "bucket", "x-amz-storage-class", "\xe9"))  # fmt: skip
        fields[name] = values.hostile()
    headers, body = forms.posted(fields, values.content() if values.often(0.95) else None)
    ask = Ask("s3", "PostObject", "POST", f"/{values.bucket()}", [], list(headers.items()), body)
    for _ in range(values.pick((0, 0, 1, 1, 2))):
        values.pick((asks.change_bytes, asks.change_header, asks.add_header, asks.add_parameter, asks.change_path))(
            values, ask
        )
    return ask


# -- what there is -----------------------------------------------------------------------------------------------------


def _user(cloud: LiveCloud) -> wire.Who:
    """An ordinary user, who may do much but not everything; and a role for replication."""
    iam = cloud.client("iam")
    may = {"Effect": "Allow", "Action": ["s3:*", "kms:*"], "Resource": "*"}
    not_all = {"Effect": "Deny", "Action": ["s3:DeleteBucket", "kms:ScheduleKeyDeletion"], "Resource": "*"}
    iam.create_user(UserName="fuzz")
    iam.put_user_policy(UserName="fuzz", PolicyName="p", PolicyDocument=_document(may, not_all))
    iam.create_role(RoleName="fuzz", AssumeRolePolicyDocument=_document(TRUST))
    iam.put_role_policy(RoleName="fuzz", PolicyName="p", PolicyDocument=_document(may))
    key = iam.create_access_key(UserName="fuzz")["AccessKey"]
    return wire.Who(key["AccessKeyId"], key["SecretAccessKey"])


def _document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def tend(cloud: LiveCloud) -> None:
    """Makes what requests are about, where it is not there (any more)."""
    s3, kms = cloud.client("s3"), cloud.client("kms")
    with contextlib.suppress(ClientError):
        key = kms.create_key()["KeyMetadata"]["KeyId"]
        kms.create_alias(AliasName=ALIAS, TargetKeyId=key)
    for name in BUCKETS:
        for step in (
            lambda name=name: s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=name == "fuzz-locked"),
            lambda name=name: s3.delete_bucket_policy(Bucket=name),
            lambda name=name: s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": _status(name)}),
            lambda name=name: s3.put_object(Bucket=name, Key=KEYS[0], Body=b"content" * 100),
        ):
            with contextlib.suppress(ClientError):
                step()


def _status(bucket: str) -> str:
    return "Suspended" if bucket in ("fuzz-paused", "fuzz-plain") else "Enabled"
