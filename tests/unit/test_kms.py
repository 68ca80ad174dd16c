"""KMS in one process, under a fake clock: deletion and rotation when their time has come, and what is stored."""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import ACCOUNT, Harness
from pilvi.core import caller as callers
from pilvi.core import sealing
from pilvi.core.errors import AccessDenied, CloudError
from pilvi.services import kms as service
from pilvi.services.kms import envelopes, managed
from pilvi.services.kms.inspectors import INSPECTORS
from pilvi.services.kms.records import Alias, Grant, Key, Material
from pilvi.state.store import OutboxEntry

DAY_MS = 86_400_000
Call = Callable[..., Any]


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Harness]:
    with Harness(tmp_path) as made:
        yield made


@pytest.fixture
def kms(cloud: Harness) -> Call:
    return lambda operation, **request: cloud.run("kms", operation, **request)


def made(kms: Call, **options: Any) -> str:
    """The id of a new key."""
    return str(kms("CreateKey", **options)["KeyMetadata"]["KeyId"])


def deliver(cloud: Harness) -> int:
    """Does all that is due now, as the worker would; how many entries there were."""
    deliveries = {one.topic: one for one in service.SERVICE.deliveries}

    def attempt(tx: Any) -> int:
        ctx, count = cloud.context(tx), 0
        for topic, one in deliveries.items():
            for entry in list(tx[OutboxEntry].scan(topic, index="due", end=(cloud.clock.now_ms() + 1,))):
                verdict = one.settle(ctx, entry, None)
                count += 1
                if hasattr(verdict, "dropped"):
                    tx[OutboxEntry].delete(entry.id)
        return count

    return cloud.store.write(attempt)


def refused(code: str, call: Call, *arguments: Any, **request: Any) -> None:
    with pytest.raises(CloudError) as caught:
        call(*arguments, **request)
    assert caught.value.code == code


# -- deletion ------------------------------------------------------------------------------------------------------------


def test_a_deleted_key_is_gone_with_all_that_was_its_own(cloud: Harness, kms: Call) -> None:
    """When the waiting period is over, and not a moment before: key, material, aliases, grants; no page holds it."""
    key = made(kms)
    kms("CreateAlias", AliasName="alias/a", TargetKeyId=key)
    kms("CreateGrant", KeyId=key, GranteePrincipal=f"arn:aws:iam::{ACCOUNT}:user/ann", Operations=["Encrypt"])
    blob = kms("Encrypt", KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    kms("RotateKeyOnDemand", KeyId=key)
    kms("ScheduleKeyDeletion", KeyId=key, PendingWindowInDays=7)
    cloud.clock.advance(7 * DAY_MS - 1)
    assert deliver(cloud) == 0
    assert kms("DescribeKey", KeyId=key)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    cloud.clock.advance(1)
    assert deliver(cloud) == 1
    refused("NotFoundException", kms, "DescribeKey", KeyId=key)
    refused("NotFoundException", kms, "DescribeKey", KeyId="alias/a")
    refused("AccessDenied", kms, "Decrypt", CiphertextBlob=blob)
    with cloud.store.read() as tx:
        assert not [row for record in (Key, Material, Alias, Grant) for row in tx[record].scan()]


def test_many_grants_go_in_steps(cloud: Harness, kms: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """No transaction removes more than a bounded number; the key is gone with the last."""
    monkeypatch.setattr("pilvi.services.kms.deletion.STEP", 2)
    key = made(kms)
    for number in range(5):
        grantee = f"arn:aws:iam::{ACCOUNT}:user/u{number}"
        kms("CreateGrant", KeyId=key, GranteePrincipal=grantee, Operations=["Encrypt"])
    kms("ScheduleKeyDeletion", KeyId=key, PendingWindowInDays=7)
    cloud.clock.advance(7 * DAY_MS)
    left = []
    for _ in range(3):
        assert deliver(cloud) == 1
        with cloud.store.read() as tx:
            left.append((tx[Grant].count(key), tx[Key].get(key) is not None, tx[Material].count(key)))
    assert left == [(3, True, 0), (1, True, 0), (0, False, 0)]
    assert deliver(cloud) == 0


def test_what_was_taken_back_stays(cloud: Harness, kms: Call) -> None:
    """A cancelled deletion does not happen, also when another one was announced since."""
    key = made(kms)
    kms("ScheduleKeyDeletion", KeyId=key, PendingWindowInDays=7)
    kms("CancelKeyDeletion", KeyId=key)
    cloud.clock.advance(DAY_MS)
    kms("ScheduleKeyDeletion", KeyId=key, PendingWindowInDays=30)
    cloud.clock.advance(7 * DAY_MS)
    assert deliver(cloud) == 1
    assert kms("DescribeKey", KeyId=key)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    cloud.clock.advance(24 * DAY_MS)
    refused("KMSInvalidStateException", kms, "CancelKeyDeletion", KeyId=key)
    assert deliver(cloud) == 1
    refused("NotFoundException", kms, "DescribeKey", KeyId=key)


# -- rotation ------------------------------------------------------------------------------------------------------------


def materials(kms: Call, key: str) -> list[str]:
    listed = kms("ListKeyRotations", KeyId=key, IncludeKeyMaterial="ALL_KEY_MATERIAL")["Rotations"]
    return [one.get("RotationType", "") for one in listed]


def test_keys_rotate_by_themselves(cloud: Harness, kms: Call) -> None:
    """Once a period, for as long as it is switched on; everything encrypted meanwhile stays open."""
    key, blobs = made(kms), []
    kms("EnableKeyRotation", KeyId=key, RotationPeriodInDays=90)
    for _ in range(3):
        blobs.append(kms("Encrypt", KeyId=key, Plaintext=b"x")["CiphertextBlob"])
        cloud.clock.advance(90 * DAY_MS - 1)
        assert deliver(cloud) == 0
        cloud.clock.advance(1)
        assert deliver(cloud) == 1
    assert materials(kms, key) == ["", "AUTOMATIC", "AUTOMATIC", "AUTOMATIC"]
    found = [kms("Decrypt", CiphertextBlob=blob) for blob in blobs]
    assert [one["Plaintext"] for one in found] == [b"x"] * 3
    assert len({one["KeyMaterialId"] for one in found}) == 3
    kms("DisableKeyRotation", KeyId=key)
    cloud.clock.advance(90 * DAY_MS)
    deliver(cloud)
    assert len(materials(kms, key)) == 4


def test_a_key_that_is_off_is_rotated_when_it_is_on_again(cloud: Harness, kms: Call) -> None:
    """Not while it is off; at once when it is on, if the time has passed."""
    key = made(kms)
    kms("EnableKeyRotation", KeyId=key, RotationPeriodInDays=90)
    kms("DisableKey", KeyId=key)
    cloud.clock.advance(100 * DAY_MS)
    deliver(cloud)
    assert materials(kms, key) == [""]
    kms("EnableKey", KeyId=key)
    assert deliver(cloud) == 1
    assert materials(kms, key) == ["", "AUTOMATIC"]


def test_a_new_period_takes_the_place_of_the_old(cloud: Harness, kms: Call) -> None:
    """Only the last one that was asked for is kept."""
    key = made(kms)
    kms("EnableKeyRotation", KeyId=key, RotationPeriodInDays=90)
    kms("EnableKeyRotation", KeyId=key, RotationPeriodInDays=200)
    cloud.clock.advance(100 * DAY_MS)
    deliver(cloud)
    assert materials(kms, key) == [""]
    cloud.clock.advance(100 * DAY_MS)
    deliver(cloud)
    assert materials(kms, key) == ["", "AUTOMATIC"]


def test_on_demand_has_an_end(kms: Call) -> None:
    """25 times, then no more."""
    key = made(kms)
    for _ in range(25):
        kms("RotateKeyOnDemand", KeyId=key)
    refused("LimitExceededException", kms, "RotateKeyOnDemand", KeyId=key)


# -- keys of AWS ---------------------------------------------------------------------------------------------------------


def test_services_use_keys_that_nobody_made(cloud: Harness, kms: Call) -> None:
    """On a snapshot, where nothing can be written; what they encrypt stays open when the key is listed, and rotated."""
    before = kms("GenerateDataKey", KeyId="alias/aws/s3", KeySpec="AES_256")
    assert kms("Decrypt", CiphertextBlob=before["CiphertextBlob"])["Plaintext"] == before["Plaintext"]
    assert kms("ListKeys")["Keys"] == []
    key = kms("DescribeKey", KeyId="alias/aws/s3")["KeyMetadata"]
    assert key["Arn"] == before["KeyId"]
    assert key["CurrentKeyMaterialId"] == before["KeyMaterialId"]
    assert [one["KeyArn"] for one in kms("ListKeys")["Keys"]] == [key["Arn"]]
    cloud.clock.advance(365 * DAY_MS)
    assert deliver(cloud) == 1
    after = kms("GenerateDataKey", KeyId="alias/aws/s3", KeySpec="AES_256")
    assert after["KeyMaterialId"] != before["KeyMaterialId"]
    assert kms("Decrypt", CiphertextBlob=before["CiphertextBlob"])["Plaintext"] == before["Plaintext"]
    assert kms("Decrypt", CiphertextBlob=after["CiphertextBlob"])["Plaintext"] == after["Plaintext"]


def test_each_account_and_region_has_its_own(cloud: Harness) -> None:
    """The key of one is not the key of another, and opens nothing of the other's."""
    found = set()
    for account in (ACCOUNT, "222233334444"):
        for region in ("us-east-1", "eu-north-1"):
            cloud.region = region
            caller = callers.root(account)
            found.add(cloud.run_as(caller, "kms", "GenerateDataKey", KeyId="alias/aws/s3", KeySpec="AES_256")["KeyId"])
    assert len(found) == 4


def test_the_key_of_a_service_is_for_that_service(cloud: Harness) -> None:
    """Its policy names the service and the account; the question says through which service it is asked."""
    with cloud.store.read() as tx:
        ctx = cloud.context(tx)
        key = managed.key(ctx, ACCOUNT, "s3")
        policy = managed.policy(ACCOUNT, "us-east-1", "s3")
    assert key.policy == policy
    assert '"kms:ViaService": "s3.us-east-1.amazonaws.com"' in policy
    assert f'"kms:CallerAccount": "{ACCOUNT}"' in policy


# -- what is stored ------------------------------------------------------------------------------------------------------


def test_no_material_is_stored_in_plain(cloud: Harness, kms: Call) -> None:
    """Neither the key that encrypts nor a private key is anywhere in the folder."""
    symmetric, pair = made(kms), made(kms, KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    secret = cloud.cloud.secret("kms")
    with cloud.store.read() as tx:
        rows = [tx[Material].get(symmetric, 1), tx[Material].get(pair, 1)]
    secrets = [
        sealing.unwrap(secret, row.wrapped, f"{row.key_id}:{row.version}".encode()) for row in rows if row is not None
    ]
    assert len(secrets) == 2
    assert [len(secrets[0]), secrets[1][:1]] == [32, b"\x30"]
    files = b"".join(path.read_bytes() for path in cloud.folder.rglob("*") if path.is_file())
    assert not [one for one in secrets if one in files or one.hex().encode() in files]


def test_material_of_one_key_is_none_of_another(cloud: Harness, kms: Call) -> None:
    """Who exchanges rows in the database finds that nothing opens."""
    one, other = made(kms), made(kms)
    with cloud.store.read() as tx:
        row = tx[Material].get(one, 1)
        assert row is not None
    moved = Material(other, 1, row.id, row.created_ms, row.wrapped)
    cloud.store.write(lambda tx: tx[Material].put(moved))
    with pytest.raises(sealing.SealBroken):
        kms("Encrypt", KeyId=other, Plaintext=b"x")


def test_deleted_material_is_overwritten(cloud: Harness, kms: Call) -> None:
    """After the deletion no page of the database holds the wrapped key any more."""
    key = made(kms)
    with cloud.store.read() as tx:
        row = tx[Material].get(key, 1)
        assert row is not None
    path = next(cloud.folder.glob("*.db"))

    def held() -> bool:
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return base64.b64encode(row.wrapped) in path.read_bytes()

    assert held()
    kms("ScheduleKeyDeletion", KeyId=key, PendingWindowInDays=7)
    cloud.clock.advance(7 * DAY_MS)
    deliver(cloud)
    assert not held()


# -- the form of blobs ---------------------------------------------------------------------------------------------------


def test_a_blob_is_65_bytes_longer_than_its_text(kms: Call) -> None:
    """So that 4,096 bytes of text fit into AWS's 6,144 of a blob."""
    key = made(kms)
    for size in (1, 4096):
        blob = kms("Encrypt", KeyId=key, Plaintext=b"x" * size)["CiphertextBlob"]
        assert len(blob) == size + 65
    found = envelopes.read(blob)
    assert found is not None
    assert (found.key_id, found.version) == (key, 1)


@pytest.mark.parametrize("version", [0, 2, 2**32 - 1])
def test_material_that_never_was(kms: Call, version: int) -> None:
    """A blob can say anything; what it says of a version that the key never had opens nothing."""
    blob = kms("Encrypt", KeyId=made(kms), Plaintext=b"x")["CiphertextBlob"]
    forged = blob[:17] + version.to_bytes(4, "big") + blob[21:]
    refused("InvalidCiphertextException", kms, "Decrypt", CiphertextBlob=forged)


def test_a_context_has_no_second_reading(kms: Call) -> None:
    """Names and values cannot be shifted into each other."""
    key = made(kms)
    blob = kms("Encrypt", KeyId=key, Plaintext=b"x", EncryptionContext={"a": 'b","c'})["CiphertextBlob"]
    for context in ({"a": "b", "c": ""}, {'a","b': "c"}, {"a": "b"}):
        refused("InvalidCiphertextException", kms, "Decrypt", CiphertextBlob=blob, EncryptionContext=context)


# -- joints with other services --------------------------------------------------------------------------------------------


def test_reading_operations_read(cloud: Harness) -> None:
    """Other services ask for them inside snapshots of their own."""
    operations = service.SERVICE.operations
    for name in (
        "Encrypt",
        "Decrypt",
        "ReEncrypt",
        "GenerateDataKey",
        "GenerateDataKeyWithoutPlaintext",
        "GenerateRandom",
    ):
        assert operations[name].only_reads({"KeyId": "alias/aws/s3"}), name
    assert not operations["DescribeKey"].only_reads({"KeyId": "alias/aws/s3"})
    assert operations["DescribeKey"].only_reads({"KeyId": "alias/mine"})


def test_who_asks_through_a_service_is_asked_for_himself(cloud: Harness, kms: Call) -> None:
    """A caller who may not use the key may not let a service use it."""
    key = made(kms)
    cloud.cloud.denied.add("kms:GenerateDataKey")
    with cloud.store.read() as tx:
        ctx = cloud.context(tx, callers.root(ACCOUNT))
        with pytest.raises(AccessDenied):
            ctx.call("kms", "GenerateDataKey", {"KeyId": key, "KeySpec": "AES_256"})
        assert ctx.call("kms", "Encrypt", {"KeyId": key, "Plaintext": b"x"})


# -- `pilvi check` -------------------------------------------------------------------------------------------------------


def found_wrong(cloud: Harness) -> list[str]:
    """All that inspectors say of what is stored."""
    with cloud.store.read() as tx:
        ctx = cloud.context(tx)
        said: list[str] = []
        for one in INSPECTORS:
            for row in tx[one.record].scan():
                assert one.title(ctx, row)
                said += [*one.problems(ctx, row), *one.contents(ctx, row)]
    return said


def test_inspectors_find_what_is_wrong(cloud: Harness, kms: Call) -> None:
    """Nothing of sound keys; lost and exchanged material, and what belongs to nothing."""
    key, other = made(kms), made(kms, KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")
    kms("CreateAlias", AliasName="alias/a", TargetKeyId=key)
    kms("CreateGrant", KeyId=key, GranteePrincipal=f"arn:aws:iam::{ACCOUNT}:user/ann", Operations=["Encrypt"])
    kms("RotateKeyOnDemand", KeyId=key)
    kms("DescribeKey", KeyId="alias/aws/s3")
    assert found_wrong(cloud) == []
    with cloud.store.read() as tx:
        row = tx[Material].get(key, 1)
        assert row is not None
    broken = Material(key, 1, row.id, row.created_ms, bytes(len(row.wrapped)))
    cloud.store.write(lambda tx: tx[Material].put(broken))
    assert found_wrong(cloud) == ["is not what was wrapped: nothing that it encrypted can be opened"]
    cloud.store.write(lambda tx: (tx[Material].put(row), tx[Material].delete(other, 1)))
    assert found_wrong(cloud) == ["has lost the material that it encrypts with"]
    cloud.store.write(lambda tx: (tx[Key].delete(key), tx[Key].delete(other)))
    assert found_wrong(cloud) == ["belongs to a key that does not exist"] * 4
