"""Object lock against a model: what is locked stays, byte for byte, until its time has come or its hold is lifted."""

from __future__ import annotations

import shutil
import tempfile
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pilvi.core.errors import AccessDenied
from pilvi.services.s3 import errors
from pilvi.services.s3.locks.rules import DAY_MS
from pilvi.services.s3.locks.versions import NoSuchObjectLockConfiguration
from s3kit import Buckets, digest

BUCKET = "photos"
KEYS = ["a", "b"]
keys = st.sampled_from(KEYS)
picks = st.integers(0, 3)
modes = st.sampled_from(["GOVERNANCE", "COMPLIANCE"])
days = st.integers(1, 4)


class Version(msgspec.Struct):
    """What the model knows of one version; `data` is None for a delete marker."""

    version: str
    data: bytes | None
    mode: str = ""
    until_ms: int = 0
    hold: str = ""

    def locked(self, now_ms: int, *, bypass: bool) -> bool:
        if self.hold == "ON":
            return True
        return now_ms < self.until_ms and not (bypass and self.mode == "GOVERNANCE")


class Locks(RuleBasedStateMachine):
    """A bucket whose objects can be locked. `trusted`: whether the caller may bypass governance mode."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.s3 = Buckets(self.folder)
        self.s3.s3("CreateBucket", Bucket=BUCKET, ObjectLockEnabledForBucket=True)
        self.model: dict[str, list[Version]] = {key: [] for key in KEYS}
        self.default: tuple[str, int] = ("", 0)
        self.trusted = True

    def teardown(self) -> None:
        self.s3.store.close()
        shutil.rmtree(self.folder)

    @property
    def now_ms(self) -> int:
        now: int = self.s3.clock.now_ms()
        return now

    def at(self, more_days: int) -> datetime:
        return datetime.fromtimestamp((self.now_ms + more_days * DAY_MS) / 1000, UTC)

    def pick(self, key: str, number: int) -> Version | None:
        line = self.model[key]
        return line[number] if number < len(line) else None

    # -- changes -------------------------------------------------------------------------------------------------------

    @rule()
    def trust(self) -> None:
        self.trusted = not self.trusted
        self.s3.cloud.denied = set() if self.trusted else {"s3:BypassGovernanceRetention"}

    @rule(mode=st.sampled_from(["", "GOVERNANCE", "COMPLIANCE"]), days=days)
    def set_default(self, mode: str, days: int) -> None:
        configuration: dict[str, Any] = {"ObjectLockEnabled": "Enabled"}
        if mode:
            configuration["Rule"] = {"DefaultRetention": {"Mode": mode, "Days": days}}
        self.s3.s3("PutObjectLockConfiguration", Bucket=BUCKET, ObjectLockConfiguration=configuration)
        self.default = (mode, days if mode else 0)
        answer = self.s3.s3("GetObjectLockConfiguration", Bucket=BUCKET)
        assert answer["ObjectLockConfiguration"] == configuration

    @rule(key=keys, content=st.binary(max_size=4))
    def put(self, key: str, content: bytes) -> None:
        answer = self.s3.put(BUCKET, key, content)
        mode, length = self.default
        self.model[key].insert(
            0, Version(answer["VersionId"], content, mode, self.now_ms + length * DAY_MS if mode else 0)
        )

    @rule(key=keys, mode=modes, days=days, hold=st.sampled_from(["", "ON", "OFF"]))
    def put_locked(self, key: str, mode: str, days: int, hold: str) -> None:
        lock: dict[str, Any] = {"ObjectLockMode": mode, "ObjectLockRetainUntilDate": self.at(days)}
        if hold:
            lock["ObjectLockLegalHoldStatus"] = hold
        answer = self.s3.put(BUCKET, key, b"locked", ContentMD5=b64encode(digest("md5", b"locked")).decode(), **lock)
        self.model[key].insert(0, Version(answer["VersionId"], b"locked", mode, self.now_ms + days * DAY_MS, hold))

    @rule(key=keys)
    def delete(self, key: str) -> None:
        """A delete marker can always be put before what is locked."""
        answer = self.s3.s3("DeleteObject", Bucket=BUCKET, Key=key)
        self.model[key].insert(0, Version(answer["VersionId"], None))

    @rule(key=keys, number=picks, bypass=st.booleans())
    def delete_version(self, key: str, number: int, bypass: bool) -> None:
        known = self.pick(key, number)
        if known is None:
            return
        request = {"Bucket": BUCKET, "Key": key, "VersionId": known.version, "BypassGovernanceRetention": bypass}
        if known.locked(self.now_ms, bypass=bypass and self.trusted):
            with pytest.raises(AccessDenied):
                self.s3.s3("DeleteObject", **request)
        else:
            self.s3.s3("DeleteObject", **request)
            self.model[key].remove(known)

    @rule(bypass=st.booleans())
    def delete_all(self, bypass: bool) -> None:
        every = [(key, known) for key in KEYS for known in self.model[key]]
        if not every:
            return
        wanted = [{"Key": key, "VersionId": known.version} for key, known in every]
        answer = self.s3.s3(
            "DeleteObjects", Bucket=BUCKET, Delete={"Objects": wanted}, BypassGovernanceRetention=bypass
        )
        now, may = self.now_ms, bypass and self.trusted
        kept = [(key, known.version) for key, known in every if known.locked(now, bypass=may)]
        refused = [(error["Key"], error["VersionId"]) for error in answer.get("Errors", [])]
        assert refused == kept
        assert {error["Code"] for error in answer.get("Errors", [])} <= {"AccessDenied"}
        for key in KEYS:
            self.model[key] = [known for known in self.model[key] if known.locked(now, bypass=may)]

    @rule(
        key=keys, number=picks, mode=st.sampled_from(["", "GOVERNANCE", "COMPLIANCE"]), days=days, bypass=st.booleans()
    )
    def retain(self, key: str, number: int, mode: str, days: int, bypass: bool) -> None:
        known = self.pick(key, number)
        if known is None:
            return
        wanted = {"Mode": mode, "RetainUntilDate": self.at(days)} if mode else {}
        until_ms = self.now_ms + days * DAY_MS if mode else 0
        request: dict[str, Any] = {"Bucket": BUCKET, "Key": key, "VersionId": known.version, "Retention": wanted}
        if bypass:
            request["BypassGovernanceRetention"] = True
        if known.data is None:
            with pytest.raises(errors.MethodNotAllowed):
                self.s3.s3("PutObjectRetention", **request)
            return
        active = self.now_ms < known.until_ms
        longer = mode == known.mode and until_ms >= known.until_ms
        freed = known.mode == "GOVERNANCE" and bypass and self.trusted
        if active and not longer and not freed:
            with pytest.raises(AccessDenied):
                self.s3.s3("PutObjectRetention", **request)
        else:
            self.s3.s3("PutObjectRetention", **request)
            known.mode, known.until_ms = mode, until_ms

    @rule(key=keys, number=picks, status=st.sampled_from(["ON", "OFF"]))
    def hold(self, key: str, number: int, status: str) -> None:
        known = self.pick(key, number)
        if known is not None and known.data is not None:
            place = {"Bucket": BUCKET, "Key": key, "VersionId": known.version}
            self.s3.s3("PutObjectLegalHold", **place, LegalHold={"Status": status})
            known.hold = status

    @rule(days=st.integers(1, 3))
    def wait(self, days: int) -> None:
        self.s3.clock.advance(days * DAY_MS)

    # -- always --------------------------------------------------------------------------------------------------------

    @invariant()
    def everything_is_as_the_model_says(self) -> None:
        for key in KEYS:
            for known in self.model[key]:
                if known.data is not None:
                    self.look(key, known)

    def look(self, key: str, known: Version) -> None:
        place = {"Bucket": BUCKET, "Key": key, "VersionId": known.version}
        body, answer = self.s3.get(BUCKET, key, VersionId=known.version)
        assert body == known.data
        assert answer.get("ObjectLockMode", "") == known.mode
        assert answer.get("ObjectLockLegalHoldStatus", "") == known.hold
        if known.mode:
            until = datetime.fromtimestamp(known.until_ms / 1000, UTC)
            assert answer["ObjectLockRetainUntilDate"] == until
            told = self.s3.s3("GetObjectRetention", **place)
            assert told["Retention"] == {"Mode": known.mode, "RetainUntilDate": until}
        else:
            with pytest.raises(NoSuchObjectLockConfiguration):
                self.s3.s3("GetObjectRetention", **place)

    @invariant()
    def listings_are_the_model(self) -> None:
        page = self.s3.s3("ListObjectVersions", Bucket=BUCKET)
        listed = {(entry["Key"], entry["VersionId"]) for entry in [*page["Versions"], *page["DeleteMarkers"]]}
        assert listed == {(key, known.version) for key in KEYS for known in self.model[key]}


TestLocks = Locks.TestCase
TestLocks.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
