"""KMS over the wire, driven by boto3, and checked with a cryptography library that knows nothing of the server."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Callable
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from live import LiveCloud, Unique
from refusals import refusal_of, refused

OTHER = "222233334444"
CONTEXT = {"department": "engines", "ship": "Otava"}
Client = Callable[..., Any]


@pytest.fixture(scope="module")
def kms(cloud: LiveCloud) -> Any:
    return cloud.client("kms")


@pytest.fixture(scope="module")
def key(kms: Any) -> str:
    """The id of a symmetric key."""
    return str(kms.create_key(Description="shared by tests")["KeyMetadata"]["KeyId"])


def new(kms: Any, **options: Any) -> dict[str, Any]:
    found: dict[str, Any] = kms.create_key(**options)["KeyMetadata"]
    return found


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(principal: str, *actions: str, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": list(actions), "Resource": "*", **more}


@pytest.fixture
def user(cloud: LiveCloud, unique: Unique) -> Callable[..., tuple[str, Any]]:
    """Makes users: their ARN, and a client of theirs for KMS."""

    def make(*actions: str) -> tuple[str, Any]:
        iam, name = cloud.client("iam"), unique("user")
        arn = str(iam.create_user(UserName=name)["User"]["Arn"])
        if actions:
            statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
            iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=policy(statement))
        made = iam.create_access_key(UserName=name)["AccessKey"]
        return arn, cloud.client(
            "kms", aws_access_key_id=made["AccessKeyId"], aws_secret_access_key=made["SecretAccessKey"]
        )

    return make


# -- keys ----------------------------------------------------------------------------------------------------------------


def test_a_key_is_described_as_it_was_made(kms: Any, cloud: LiveCloud) -> None:
    """Everything that DescribeKey tells of a new key, by id and by ARN."""
    made = new(kms, Description="for payroll", Tags=[{"TagKey": "team", "TagValue": "hull"}])
    found = kms.describe_key(KeyId=made["KeyId"])["KeyMetadata"]
    assert found == made == kms.describe_key(KeyId=made["Arn"])["KeyMetadata"]
    assert found["Arn"] == f"arn:aws:kms:{cloud.region}:{cloud.account}:key/{found['KeyId']}"
    assert {
        "AWSAccountId": cloud.account,
        "Enabled": True,
        "Description": "for payroll",
        "KeyUsage": "ENCRYPT_DECRYPT",
        "KeyState": "Enabled",
        "Origin": "AWS_KMS",
        "KeyManager": "CUSTOMER",
        "KeySpec": "SYMMETRIC_DEFAULT",
        "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
        "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"],
        "MultiRegion": False,
    }.items() <= found.items()
    assert len(found["CurrentKeyMaterialId"]) == 64
    assert kms.list_resource_tags(KeyId=made["KeyId"])["Tags"] == [{"TagKey": "team", "TagValue": "hull"}]


def test_a_description_changes(kms: Any) -> None:
    """UpdateKeyDescription, also to nothing."""
    made = new(kms, Description="before")["KeyId"]
    for text in ("after", ""):
        kms.update_key_description(KeyId=made, Description=text)
        assert kms.describe_key(KeyId=made)["KeyMetadata"]["Description"] == text


def test_keys_are_listed_in_pieces(kms: Any) -> None:
    """Every key once, whatever the size of the pieces; invented markers are refused."""
    made = {new(kms)["KeyId"] for _ in range(4)}
    pages = list(kms.get_paginator("list_keys").paginate(PaginationConfig={"PageSize": 3}))
    listed = [entry["KeyId"] for page in pages for entry in page["Keys"]]
    assert len(listed) == len(set(listed))
    assert made <= set(listed)
    assert all(len(page["Keys"]) <= 3 for page in pages)
    assert refusal_of("InvalidMarkerException", kms.list_keys, Marker="nonsense")


@pytest.mark.parametrize(
    ("options", "code", "status"),
    [
        ({"MultiRegion": True}, "NotImplemented", 501),
        ({"Origin": "EXTERNAL"}, "NotImplemented", 501),
        ({"KeySpec": "SM2", "KeyUsage": "SIGN_VERIFY"}, "NotImplemented", 501),
        ({"CustomKeyStoreId": "cks-1"}, "NotImplemented", 501),
        ({"KeySpec": "HMAC_256"}, "ValidationException", 400),
        ({"KeySpec": "HMAC_256", "KeyUsage": "ENCRYPT_DECRYPT"}, "ValidationException", 400),
        ({"KeySpec": "ECC_NIST_P256", "KeyUsage": "ENCRYPT_DECRYPT"}, "ValidationException", 400),
        ({"KeySpec": "RSA_2048", "CustomerMasterKeySpec": "RSA_4096"}, "ValidationException", 400),
        ({"KeySpec": "ROT_13"}, "ValidationException", 400),
        ({"Policy": "{"}, "MalformedPolicyDocumentException", 400),
        ({"Tags": [{"TagKey": "aws:x", "TagValue": ""}]}, "TagException", 400),
        ({"Tags": [{"TagKey": "x", "TagValue": ""}] * 2}, "TagException", 400),
    ],
)
def test_keys_that_cannot_be(kms: Any, options: dict[str, Any], code: str, status: int) -> None:
    """What is not built says so; what makes no sense is refused; neither makes a key."""
    with refused(code, status):
        kms.create_key(**options)


def test_what_names_no_key(kms: Any, cloud: LiveCloud) -> None:
    """Each way to miss has its error."""
    missing = "11111111-2222-3333-4444-555555555555"
    arn = f"arn:aws:kms:{cloud.region}:{cloud.account}:key/{missing}"
    assert refusal_of("NotFoundException", kms.describe_key, KeyId=missing) == f"Key '{arn}' does not exist"
    assert refusal_of("NotFoundException", kms.describe_key, KeyId=arn) == f"Key '{arn}' does not exist"
    alias = f"arn:aws:kms:{cloud.region}:{cloud.account}:alias/nobody"
    assert refusal_of("NotFoundException", kms.describe_key, KeyId="alias/nobody") == f"Alias {alias} is not found."
    assert refusal_of("NotFoundException", kms.describe_key, KeyId="nonsense") == "Invalid keyId 'nonsense'"
    assert refusal_of("NotFoundException", kms.describe_key, KeyId=arn.replace(cloud.region, "eu-north-1"))
    assert refusal_of("InvalidArnException", kms.describe_key, KeyId="arn:aws:kms:nonsense")
    assert refusal_of("InvalidArnException", kms.describe_key, KeyId=arn.replace(":key/", ":lock/"))
    with refused("AccessDeniedException", 400):
        kms.describe_key(KeyId=arn.replace(cloud.account, OTHER))


def test_a_key_is_of_one_region(cloud: LiveCloud, key: str, kms: Any) -> None:
    """Elsewhere nobody knows it, nor what it encrypted."""
    north = cloud.client("kms", region_name="eu-north-1")
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    assert refusal_of("NotFoundException", north.describe_key, KeyId=key)
    assert "does not exist in this region" in refusal_of("AccessDeniedException", north.decrypt, CiphertextBlob=blob)


def test_a_key_is_switched_off_and_on(kms: Any) -> None:
    """Disabled, it does nothing; enabled, all it did before."""
    made = new(kms)
    blob = kms.encrypt(KeyId=made["KeyId"], Plaintext=b"x")["CiphertextBlob"]
    kms.disable_key(KeyId=made["KeyId"])
    assert kms.describe_key(KeyId=made["KeyId"])["KeyMetadata"]["KeyState"] == "Disabled"
    for call, params in (
        (kms.encrypt, {"KeyId": made["KeyId"], "Plaintext": b"x"}),
        (kms.decrypt, {"CiphertextBlob": blob}),
        (kms.generate_data_key, {"KeyId": made["KeyId"], "KeySpec": "AES_256"}),
        (kms.enable_key_rotation, {"KeyId": made["KeyId"]}),
        (kms.re_encrypt, {"CiphertextBlob": blob, "DestinationKeyId": made["KeyId"]}),
    ):
        assert refusal_of("DisabledException", call, **params) == f"{made['Arn']} is disabled."
    kms.enable_key(KeyId=made["KeyId"])
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"


def test_a_deletion_is_announced_and_taken_back(kms: Any) -> None:
    """Until its time has come a key that will be deleted can be described and saved, and nothing else."""
    made = new(kms)
    kms.enable_key_rotation(KeyId=made["KeyId"])
    for days in (6, 31):
        with refused("ValidationException", 400):
            kms.schedule_key_deletion(KeyId=made["KeyId"], PendingWindowInDays=days)
    assert "not pending deletion" in refusal_of(
        "KMSInvalidStateException", kms.cancel_key_deletion, KeyId=made["KeyId"]
    )
    answer = kms.schedule_key_deletion(KeyId=made["KeyId"], PendingWindowInDays=7)
    assert (answer["KeyId"], answer["KeyState"], answer["PendingWindowInDays"]) == (made["Arn"], "PendingDeletion", 7)
    found = kms.describe_key(KeyId=made["KeyId"])["KeyMetadata"]
    assert (found["KeyState"], found["Enabled"], found["DeletionDate"]) == (
        "PendingDeletion",
        False,
        answer["DeletionDate"],
    )
    assert (found["DeletionDate"] - found["CreationDate"]).days in {6, 7}
    for call, params in (
        (kms.encrypt, {"Plaintext": b"x"}),
        (kms.enable_key, {}),
        (kms.disable_key, {}),
        (kms.schedule_key_deletion, {}),
        (kms.update_key_description, {"Description": "x"}),
        (kms.tag_resource, {"Tags": []}),
        (kms.rotate_key_on_demand, {}),
    ):
        assert refusal_of("KMSInvalidStateException", call, KeyId=made["KeyId"], **params) == (
            f"{made['Arn']} is pending deletion."
        )
    kms.put_key_policy(KeyId=made["KeyId"], Policy=kms.get_key_policy(KeyId=made["KeyId"])["Policy"])
    assert kms.get_key_rotation_status(KeyId=made["KeyId"])["KeyRotationEnabled"] is False
    assert kms.cancel_key_deletion(KeyId=made["KeyId"])["KeyId"] == made["Arn"]
    assert kms.describe_key(KeyId=made["KeyId"])["KeyMetadata"]["KeyState"] == "Disabled"
    assert kms.get_key_rotation_status(KeyId=made["KeyId"])["KeyRotationEnabled"] is True


# -- encryption ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 32, 4096])
def test_what_is_encrypted_is_decrypted(kms: Any, key: str, size: int) -> None:
    """Without naming the key; the blob shows nothing of the text and is never the same twice."""
    text = os.urandom(size)
    one, two = (kms.encrypt(KeyId=key, Plaintext=text, EncryptionContext=CONTEXT) for _ in range(2))
    assert one["CiphertextBlob"] != two["CiphertextBlob"]
    assert size == 1 or text not in one["CiphertextBlob"]
    assert one["KeyId"].endswith(key)
    found = kms.decrypt(CiphertextBlob=one["CiphertextBlob"], EncryptionContext=dict(reversed(CONTEXT.items())))
    assert (found["Plaintext"], found["KeyId"], found["EncryptionAlgorithm"]) == (
        text,
        one["KeyId"],
        "SYMMETRIC_DEFAULT",
    )


def test_too_much_text(kms: Any, key: str) -> None:
    """4,096 bytes are the most, and none are too few; so are contexts that are larger than any blob."""
    for text in (b"", b"x" * 4097):
        with refused("ValidationException", 400):
            kms.encrypt(KeyId=key, Plaintext=text)
    with refused("ValidationException", 400):
        kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"k": "v" * 10_000})


@pytest.mark.parametrize("context", [{}, {"department": "engines"}, {**CONTEXT, "more": ""}, {"ship": "engines"}])
def test_another_context_opens_nothing(kms: Any, key: str, context: dict[str, str]) -> None:
    """The encryption context must be the very same."""
    blob = kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext=CONTEXT)["CiphertextBlob"]
    with refused("InvalidCiphertextException", 400):
        kms.decrypt(CiphertextBlob=blob, EncryptionContext=context)


def test_a_changed_blob_opens_nothing(kms: Any, key: str) -> None:
    """Not one byte can be another, missing, or too many; whether or not the key is named."""
    blob = kms.encrypt(KeyId=key, Plaintext=b"some text")["CiphertextBlob"]
    changed = [blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :] for at in range(len(blob))]
    found = set()
    for wrong in [*changed, blob[:-1], blob + b"x", b"x"]:
        for named in ({}, {"KeyId": key}):
            with pytest.raises(ClientError) as caught:
                kms.decrypt(CiphertextBlob=wrong, **named)
            found.add((bool(named), caught.value.response["Error"]["Code"]))
    assert found == {
        (False, "InvalidCiphertextException"),
        (False, "AccessDeniedException"),  # it names another key, which is not there
        (True, "InvalidCiphertextException"),
        (True, "IncorrectKeyException"),
    }


def test_the_key_can_be_insisted_on(kms: Any, key: str) -> None:
    """Decrypt with a KeyId decrypts what that key encrypted, and nothing else."""
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=blob, KeyId=key)["Plaintext"] == b"x"
    with refused("IncorrectKeyException", 400):
        kms.decrypt(CiphertextBlob=blob, KeyId=new(kms)["KeyId"])


def test_reencrypt(kms: Any, key: str) -> None:
    """Out of one key and context, into another; the text is never seen."""
    other = new(kms)
    blob = kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext=CONTEXT)["CiphertextBlob"]
    answer = kms.re_encrypt(
        CiphertextBlob=blob,
        SourceEncryptionContext=CONTEXT,
        DestinationKeyId=other["Arn"],
        DestinationEncryptionContext={"a": "b"},
    )
    assert (answer["KeyId"], answer["SourceKeyId"].endswith(key)) == (other["Arn"], True)
    assert answer["DestinationKeyMaterialId"] == other["CurrentKeyMaterialId"]
    found = kms.decrypt(CiphertextBlob=answer["CiphertextBlob"], EncryptionContext={"a": "b"})
    assert (found["Plaintext"], found["KeyId"]) == (b"x", other["Arn"])
    with refused("InvalidCiphertextException", 400):
        kms.re_encrypt(CiphertextBlob=blob, DestinationKeyId=key)
    with refused("IncorrectKeyException", 400):
        kms.re_encrypt(CiphertextBlob=blob, SourceKeyId=other["Arn"], DestinationKeyId=key)


@pytest.mark.parametrize(
    ("how", "size"), [({"KeySpec": "AES_256"}, 32), ({"KeySpec": "AES_128"}, 16), ({"NumberOfBytes": 1024}, 1024)]
)
def test_data_keys(kms: Any, key: str, how: dict[str, Any], size: int) -> None:
    """A data key comes in plain and encrypted, or encrypted alone."""
    both = kms.generate_data_key(KeyId=key, EncryptionContext=CONTEXT, **how)
    found = kms.decrypt(CiphertextBlob=both["CiphertextBlob"], EncryptionContext=CONTEXT)
    assert (found["Plaintext"], len(found["Plaintext"])) == (both["Plaintext"], size)
    assert found["KeyMaterialId"] == both["KeyMaterialId"]
    alone = kms.generate_data_key_without_plaintext(KeyId=key, **how)
    assert "Plaintext" not in alone
    assert len(kms.decrypt(CiphertextBlob=alone["CiphertextBlob"])["Plaintext"]) == size


def test_data_keys_say_one_size(kms: Any, key: str) -> None:
    """Neither none nor two."""
    for how in ({}, {"KeySpec": "AES_256", "NumberOfBytes": 32}, {"NumberOfBytes": 1025}):
        with refused("ValidationException", 400):
            kms.generate_data_key(KeyId=key, **how)


@pytest.mark.parametrize("spec", ["RSA_2048", "ECC_NIST_P384", "ECC_SECG_P256K1"])
def test_data_key_pairs(kms: Any, key: str, spec: str) -> None:
    """The private half, in plain and encrypted, belongs to the public one."""
    made = kms.generate_data_key_pair(KeyId=key, KeyPairSpec=spec, EncryptionContext=CONTEXT)
    private = serialization.load_der_private_key(made["PrivateKeyPlaintext"], None)
    public = private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert public == made["PublicKey"]
    found = kms.decrypt(CiphertextBlob=made["PrivateKeyCiphertextBlob"], EncryptionContext=CONTEXT)
    assert found["Plaintext"] == made["PrivateKeyPlaintext"]
    alone = kms.generate_data_key_pair_without_plaintext(KeyId=key, KeyPairSpec=spec)
    assert "PrivateKeyPlaintext" not in alone


def test_random_bytes(kms: Any) -> None:
    """As many as asked for, never the same."""
    one, two = (kms.generate_random(NumberOfBytes=64)["Plaintext"] for _ in range(2))
    assert len(one) == len(two) == 64
    assert one != two
    with refused("ValidationException", 400):
        kms.generate_random()


def test_a_dry_run_does_nothing(kms: Any, key: str) -> None:
    """It tells that it would have; what would fail fails."""
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    for call, params in (
        (kms.encrypt, {"KeyId": key, "Plaintext": b"x"}),
        (kms.decrypt, {"CiphertextBlob": blob}),
        (kms.generate_data_key, {"KeyId": key, "KeySpec": "AES_256"}),
        (kms.create_grant, {"KeyId": key, "GranteePrincipal": f"arn:aws:iam::{OTHER}:root", "Operations": ["Decrypt"]}),
    ):
        assert "would have succeeded" in refusal_of("DryRunOperationException", call, DryRun=True, **params)
    assert kms.list_grants(KeyId=key, GranteePrincipal=f"arn:aws:iam::{OTHER}:root")["Grants"] == []
    with refused("InvalidCiphertextException", 400):
        kms.decrypt(CiphertextBlob=blob[:-1] + bytes([blob[-1] ^ 1]), DryRun=True)


# -- rotation ------------------------------------------------------------------------------------------------------------


def test_what_older_material_encrypted_stays_open(kms: Any) -> None:
    """A rotated key encrypts with new material, decrypts with both, and tells of each rotation."""
    made = new(kms)
    before = kms.encrypt(KeyId=made["KeyId"], Plaintext=b"before")["CiphertextBlob"]
    assert kms.rotate_key_on_demand(KeyId=made["KeyId"])["KeyId"] == made["Arn"]
    current = kms.describe_key(KeyId=made["KeyId"])["KeyMetadata"]["CurrentKeyMaterialId"]
    after = kms.encrypt(KeyId=made["KeyId"], Plaintext=b"after")["CiphertextBlob"]
    old, young = kms.decrypt(CiphertextBlob=before), kms.decrypt(CiphertextBlob=after)
    assert (old["Plaintext"], old["KeyMaterialId"]) == (b"before", made["CurrentKeyMaterialId"])
    assert (young["Plaintext"], young["KeyMaterialId"]) == (b"after", current)
    assert current != made["CurrentKeyMaterialId"]
    (rotation,) = kms.list_key_rotations(KeyId=made["KeyId"])["Rotations"]
    assert (rotation["RotationType"], rotation["KeyMaterialId"]) == ("ON_DEMAND", current)
    everything = kms.list_key_rotations(KeyId=made["KeyId"], IncludeKeyMaterial="ALL_KEY_MATERIAL")["Rotations"]
    assert [one["KeyMaterialState"] for one in everything] == ["NON_CURRENT", "CURRENT"]


def test_rotation_is_switched_on_and_off(kms: Any, cloud: LiveCloud) -> None:
    """With a period of its own, or a year."""
    made = new(kms)["KeyId"]
    assert kms.get_key_rotation_status(KeyId=made)["KeyRotationEnabled"] is False
    kms.enable_key_rotation(KeyId=made)
    status = kms.get_key_rotation_status(KeyId=made)
    assert (status["KeyRotationEnabled"], status["RotationPeriodInDays"]) == (True, 365)
    kms.enable_key_rotation(KeyId=made, RotationPeriodInDays=90)
    assert kms.get_key_rotation_status(KeyId=made)["RotationPeriodInDays"] == 90
    kms.disable_key_rotation(KeyId=made)
    assert "NextRotationDate" not in kms.get_key_rotation_status(KeyId=made)
    unchecked = cloud.client("kms", config=Config(parameter_validation=False))
    for days in (89, 2561):
        with refused("ValidationException", 400):
            unchecked.enable_key_rotation(KeyId=made, RotationPeriodInDays=days)


def test_only_symmetric_keys_are_rotated(kms: Any) -> None:
    """The others refuse."""
    made = new(kms, KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")["KeyId"]
    for call in (kms.enable_key_rotation, kms.rotate_key_on_demand, kms.get_key_rotation_status):
        with refused("UnsupportedOperationException", 400):
            call(KeyId=made)


# -- aliases -------------------------------------------------------------------------------------------------------------


def test_an_alias_is_a_key(kms: Any, cloud: LiveCloud, unique: Unique) -> None:
    """By name and by ARN it can be used where the key can; it can go over to another key, and go."""
    first, second, name = new(kms)["KeyId"], new(kms)["KeyId"], f"alias/{unique('a')}"
    kms.create_alias(AliasName=name, TargetKeyId=first)
    arn = f"arn:aws:kms:{cloud.region}:{cloud.account}:{name}"
    for named in (name, arn):
        assert kms.describe_key(KeyId=named)["KeyMetadata"]["KeyId"] == first
        assert kms.encrypt(KeyId=named, Plaintext=b"x")["KeyId"].endswith(first)
    (entry,) = kms.list_aliases(KeyId=first)["Aliases"]
    assert (entry["AliasName"], entry["AliasArn"], entry["TargetKeyId"]) == (name, arn, first)
    assert refusal_of("AlreadyExistsException", kms.create_alias, AliasName=name, TargetKeyId=second)
    kms.update_alias(AliasName=name, TargetKeyId=second)
    assert kms.describe_key(KeyId=name)["KeyMetadata"]["KeyId"] == second
    assert kms.list_aliases(KeyId=first)["Aliases"] == []
    assert refusal_of("NotFoundException", kms.disable_key, KeyId=name) == f"Invalid keyId '{name}'"
    kms.delete_alias(AliasName=name)
    assert refusal_of("NotFoundException", kms.describe_key, KeyId=name) == f"Alias {arn} is not found."
    assert refusal_of("NotFoundException", kms.delete_alias, AliasName=name) == f"Alias {arn} is not found."


def test_names_that_no_alias_has(kms: Any, key: str) -> None:
    """They begin with alias/, and those of AWS are AWS's."""
    for name in ("nothing", "alias/", "alias/aws/mine", "alias/a:b"):
        with refused("InvalidAliasNameException", 400):
            kms.create_alias(AliasName=name, TargetKeyId=key)
    with refused("ValidationException", 400):
        kms.create_alias(AliasName="alias/a b", TargetKeyId=key)


def test_an_alias_stays_with_keys_of_one_kind(kms: Any, key: str, unique: Unique) -> None:
    """What was for encryption does not become one for signatures."""
    name = f"alias/{unique('a')}"
    kms.create_alias(AliasName=name, TargetKeyId=key)
    signing = new(kms, KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyId"]
    with refused("KMSInvalidStateException", 400):
        kms.update_alias(AliasName=name, TargetKeyId=signing)


def test_all_aliases_are_listed(kms: Any, key: str, unique: Unique) -> None:
    """The customer's and AWS's own, each once, in order, in pieces of any size."""
    mine = {f"alias/{unique('listed')}" for _ in range(4)}
    for name in mine:
        kms.create_alias(AliasName=name, TargetKeyId=key)
    pages = kms.get_paginator("list_aliases").paginate(PaginationConfig={"PageSize": 3})
    listed = [entry["AliasName"] for page in pages for entry in page["Aliases"]]
    assert listed == sorted(set(listed))
    assert mine | {"alias/aws/s3", "alias/aws/lambda"} <= set(listed)


# -- keys of AWS ---------------------------------------------------------------------------------------------------------


def test_a_key_of_aws_is_there_when_it_is_asked_for(cloud: LiveCloud) -> None:
    """Described by its alias it exists, belongs to AWS, and lets nobody use or change it but through its service."""
    kms = cloud.client("kms", region_name="eu-west-3")
    assert kms.list_keys()["Keys"] == []
    found = kms.describe_key(KeyId="alias/aws/s3")["KeyMetadata"]
    assert (found["KeyManager"], found["KeyState"]) == ("AWS", "Enabled")
    assert [entry["KeyId"] for entry in kms.list_keys()["Keys"]] == [found["KeyId"]]
    assert kms.describe_key(KeyId=found["KeyId"])["KeyMetadata"] == found
    (entry,) = kms.list_aliases(KeyId=found["KeyId"])["Aliases"]
    assert entry["TargetKeyId"] == found["KeyId"]
    assert kms.get_key_rotation_status(KeyId=found["KeyId"])["KeyRotationEnabled"] is True
    for call, params in (
        (kms.encrypt, {"Plaintext": b"x"}),
        (kms.generate_data_key, {"KeySpec": "AES_256"}),
        (kms.schedule_key_deletion, {}),
        (kms.disable_key, {}),
        (kms.put_key_policy, {"Policy": json.loads(json.dumps(kms.get_key_policy(KeyId=found["KeyId"])["Policy"]))}),
    ):
        with refused("AccessDeniedException", 400):
            call(KeyId=found["KeyId"], **params)
    assert refusal_of("NotFoundException", kms.describe_key, KeyId="alias/aws/nothing")


# -- key policies --------------------------------------------------------------------------------------------------------


def test_the_default_policy_leaves_it_to_the_account(kms: Any, cloud: LiveCloud, key: str) -> None:
    """As AWS writes it."""
    assert kms.list_key_policies(KeyId=key)["PolicyNames"] == ["default"]
    found = json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"])
    (statement,) = found["Statement"]
    assert statement == {
        "Sid": "Enable IAM User Permissions",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{cloud.account}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    with refused("NotFoundException", 400):
        kms.get_key_policy(KeyId=key, PolicyName="other")


def test_the_key_policy_is_the_root_of_authority(kms: Any, cloud: LiveCloud, user: Callable[..., Any]) -> None:
    """Who may everything by IAM may nothing with a key whose policy does not say so, not even the account's root."""
    (arn, client), made = user("kms:*"), new(kms)
    assert client.encrypt(KeyId=made["KeyId"], Plaintext=b"x")["KeyId"] == made["Arn"]
    root = f"arn:aws:iam::{cloud.account}:root"
    kms.put_key_policy(KeyId=made["KeyId"], Policy=policy(allow(root, "kms:PutKeyPolicy"), allow(arn, "kms:Describe*")))
    message = refusal_of("AccessDeniedException", client.encrypt, KeyId=made["KeyId"], Plaintext=b"x")
    assert message.endswith("because no resource-based policy allows the kms:Encrypt action")
    assert client.describe_key(KeyId=made["KeyId"])["KeyMetadata"] == made
    with refused("AccessDeniedException", 400):
        kms.encrypt(KeyId=made["KeyId"], Plaintext=b"x")
    kms.put_key_policy(KeyId=made["KeyId"], Policy=policy(allow(root, "kms:*")))
    assert kms.encrypt(KeyId=made["KeyId"], Plaintext=b"x")


def test_the_key_policy_alone_suffices(kms: Any, cloud: LiveCloud, user: Callable[..., Any]) -> None:
    """Who has no policy at all may what the key's says, under the conditions that it names."""
    arn, client = user()
    root = f"arn:aws:iam::{cloud.account}:root"
    condition = {"StringEquals": {"kms:EncryptionContext:ship": "Otava"}, "Bool": {"aws:SecureTransport": "false"}}
    made = new(kms, Policy=policy(allow(root, "kms:*"), allow(arn, "kms:Encrypt", Condition=condition)))["KeyId"]
    assert client.encrypt(KeyId=made, Plaintext=b"x", EncryptionContext={"ship": "Otava"})
    for context in ({}, {"ship": "Titanic"}):
        with refused("AccessDeniedException", 400):
            client.encrypt(KeyId=made, Plaintext=b"x", EncryptionContext=context)
    with refused("AccessDeniedException", 400):
        client.describe_key(KeyId=made)


def test_nobody_locks_himself_out_by_mistake(kms: Any, user: Callable[..., Any]) -> None:
    """A policy under which its author could not change it again needs to be insisted on."""
    arn, client = user("kms:*")
    other = policy(allow(arn.replace("user/", "role/"), "kms:*"))
    message = refusal_of("MalformedPolicyDocumentException", client.create_key, Policy=other)
    assert message == "The new key policy will not allow you to update the key policy in the future."
    made = new(client)["KeyId"]
    with refused("MalformedPolicyDocumentException", 400):
        client.put_key_policy(KeyId=made, Policy=other)
    assert client.get_key_policy(KeyId=made)
    client.put_key_policy(KeyId=made, Policy=other, BypassPolicyLockoutSafetyCheck=True)
    for asks in (client, kms):
        with refused("AccessDeniedException", 400):
            asks.get_key_policy(KeyId=made)


@pytest.mark.parametrize(
    ("condition", "allowed"),
    [
        ({"kms:RequestAlias": "alias/otava"}, True),
        ({"kms:RequestAlias": "alias/other"}, False),
        ({"kms:CallerAccount": "000000000000"}, True),
        ({"kms:KeySpec": "SYMMETRIC_DEFAULT", "kms:KeyUsage": "ENCRYPT_DECRYPT", "kms:KeyOrigin": "AWS_KMS"}, True),
        ({"kms:KeySpec": "RSA_2048"}, False),
        ({"kms:EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}, True),
        ({"kms:ViaService": "s3.us-east-1.amazonaws.com"}, False),
        ({"aws:ResourceTag/team": "hull"}, True),
        ({"aws:ResourceTag/team": "sails"}, False),
    ],
)
def test_conditions(
    kms: Any, cloud: LiveCloud, user: Callable[..., Any], unique: Unique, condition: dict[str, str], allowed: bool
) -> None:
    """What KMS knows of the request and the key, policies can ask for."""
    arn, client = user()
    root, alias = f"arn:aws:iam::{cloud.account}:root", f"alias/{unique('otava')}"
    wanted = {name: value.replace("alias/otava", alias) for name, value in condition.items()}
    statement = allow(arn, "kms:Encrypt", Condition={"StringEquals": wanted})
    tags = [{"TagKey": "team", "TagValue": "hull"}]
    made = new(kms, Policy=policy(allow(root, "kms:*"), statement), Tags=tags)["KeyId"]
    kms.create_alias(AliasName=alias, TargetKeyId=made)
    if allowed:
        assert client.encrypt(KeyId=alias, Plaintext=b"x")
    else:
        with refused("AccessDeniedException", 400):
            client.encrypt(KeyId=alias, Plaintext=b"x")


# -- grants --------------------------------------------------------------------------------------------------------------


def test_a_grant_allows_what_it_says(kms: Any, user: Callable[..., Any], key: str) -> None:
    """Its grantee, its operations, in its encryption context, until it is revoked; and nothing else."""
    (arn, client), (_, stranger) = user(), user()
    grant = kms.create_grant(
        KeyId=key,
        GranteePrincipal=arn,
        Operations=["Encrypt", "Decrypt", "DescribeKey"],
        Constraints={"EncryptionContextSubset": {"ship": "Otava"}},
        Name="sailing",
    )
    blob = client.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext=CONTEXT, GrantTokens=[grant["GrantToken"]])
    assert client.decrypt(CiphertextBlob=blob["CiphertextBlob"], EncryptionContext=CONTEXT)["Plaintext"] == b"x"
    assert client.describe_key(KeyId=key)
    for asks, params in (
        (client, {}),
        (client, {"EncryptionContext": {"ship": "x"}}),
        (stranger, {"EncryptionContext": CONTEXT}),
    ):
        with refused("AccessDeniedException", 400):
            asks.encrypt(KeyId=key, Plaintext=b"x", **params)
    with refused("AccessDeniedException", 400):
        client.generate_data_key(KeyId=key, KeySpec="AES_256", EncryptionContext=CONTEXT)
    (entry,) = kms.list_grants(KeyId=key, GrantId=grant["GrantId"])["Grants"]
    assert (entry["GranteePrincipal"], entry["Name"]) == (arn, "sailing")
    assert entry["Constraints"] == {"EncryptionContextSubset": {"ship": "Otava"}}
    kms.revoke_grant(KeyId=key, GrantId=grant["GrantId"])
    with refused("AccessDeniedException", 400):
        client.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext=CONTEXT)
    assert refusal_of("NotFoundException", kms.revoke_grant, KeyId=key, GrantId=grant["GrantId"])
    assert refusal_of("InvalidGrantIdException", kms.list_grants, KeyId=key, GrantId=grant["GrantId"])


def test_the_same_grant_twice_is_one(kms: Any, user: Callable[..., Any], key: str) -> None:
    """With a name, the second is the first; without one there are two."""
    arn, _ = user()
    named = {"KeyId": key, "GranteePrincipal": arn, "Operations": ["Encrypt"], "Name": "n"}
    assert kms.create_grant(**named)["GrantId"] == kms.create_grant(**named)["GrantId"]
    assert kms.create_grant(**{**named, "Operations": ["Decrypt"]})["GrantId"] != kms.create_grant(**named)["GrantId"]
    del named["Name"]
    assert kms.create_grant(**named)["GrantId"] != kms.create_grant(**named)["GrantId"]
    listed = [
        grant
        for page in kms.get_paginator("list_grants").paginate(KeyId=key, PaginationConfig={"PageSize": 1})
        for grant in page["Grants"]
    ]
    assert len([grant for grant in listed if grant["GranteePrincipal"] == arn]) == 4


def test_a_grant_is_retired_by_who_may(kms: Any, user: Callable[..., Any], key: str) -> None:
    """The retiring principal, by token or by id; the grantee if the grant says so; nobody else."""
    (grantee, client), (retiring, retirer) = user(), user()

    def grant(*operations: str) -> dict[str, Any]:
        found: dict[str, Any] = kms.create_grant(
            KeyId=key, GranteePrincipal=grantee, RetiringPrincipal=retiring, Operations=list(operations)
        )
        return found

    one, two, three = grant("Encrypt"), grant("Encrypt"), grant("Encrypt", "RetireGrant")
    listed = kms.list_retirable_grants(RetiringPrincipal=retiring)["Grants"]
    assert {entry["GrantId"] for entry in listed} == {made["GrantId"] for made in (one, two, three)}
    arn = kms.describe_key(KeyId=key)["KeyMetadata"]["Arn"]
    retirer.retire_grant(GrantToken=one["GrantToken"])
    retirer.retire_grant(KeyId=arn, GrantId=two["GrantId"])
    assert client.encrypt(KeyId=key, Plaintext=b"x")
    client.retire_grant(GrantToken=three["GrantToken"])
    assert kms.list_retirable_grants(RetiringPrincipal=retiring)["Grants"] == []
    four = grant("Encrypt")
    with refused("AccessDeniedException", 400):
        client.retire_grant(GrantToken=four["GrantToken"])
    for wrong in ({}, {"KeyId": arn}, {"GrantToken": four["GrantToken"], "KeyId": arn, "GrantId": four["GrantId"]}):
        with refused("ValidationException", 400):
            retirer.retire_grant(**wrong)
    with refused("InvalidGrantTokenException", 400):
        retirer.retire_grant(GrantToken="bm9uc2Vuc2U=")


def test_a_grant_that_can_be_retired_retires_no_other(kms: Any, user: Callable[..., Any], key: str) -> None:
    """RetireGrant among a grant's operations is about that very grant."""
    (mallory, client), (alice, _) = user(), user()
    kms.create_grant(KeyId=key, GranteePrincipal=mallory, Operations=["Encrypt", "RetireGrant"])
    other = kms.create_grant(KeyId=key, GranteePrincipal=alice, Operations=["Encrypt"])
    arn = kms.describe_key(KeyId=key)["KeyMetadata"]["Arn"]
    with refused("AccessDeniedException", 400):
        client.retire_grant(KeyId=arn, GrantId=other["GrantId"])


def test_an_account_that_may_retire_says_who_of_it_may(
    cloud: LiveCloud, kms: Any, user: Callable[..., Any], key: str
) -> None:
    """A user needs a policy for what only the account was given."""
    root = f"arn:aws:iam::{cloud.account}:root"
    (mallory, client), (_, trusted) = user(), user("kms:RetireGrant")
    grant = kms.create_grant(KeyId=key, GranteePrincipal=mallory, RetiringPrincipal=root, Operations=["Encrypt"])
    with refused("AccessDeniedException", 400):
        client.retire_grant(GrantToken=grant["GrantToken"])
    trusted.retire_grant(GrantToken=grant["GrantToken"])


def test_a_grant_of_a_grant_gives_no_more(kms: Any, user: Callable[..., Any], key: str) -> None:
    """Who may grant because of a grant passes on what that one allows, under its constraints."""
    (arn, client), (second, other) = user(), user()
    constraints = {"EncryptionContextSubset": {"ship": "Otava"}}
    kms.create_grant(KeyId=key, GranteePrincipal=arn, Operations=["CreateGrant", "Encrypt"], Constraints=constraints)
    for wish in ({"Operations": ["Decrypt"], "Constraints": constraints}, {"Operations": ["Encrypt"]}):
        with refused("AccessDeniedException", 400):
            client.create_grant(KeyId=key, GranteePrincipal=second, **wish)
    client.create_grant(KeyId=key, GranteePrincipal=second, Operations=["Encrypt"], Constraints=constraints)
    assert other.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext=CONTEXT)


def test_a_deny_is_stronger_than_a_grant(kms: Any, cloud: LiveCloud, user: Callable[..., Any]) -> None:
    """The key policy can take away what a grant gives."""
    arn, client = user()
    made, root = new(kms)["KeyId"], f"arn:aws:iam::{cloud.account}:root"
    kms.create_grant(KeyId=made, GranteePrincipal=arn, Operations=["Encrypt"])
    assert client.encrypt(KeyId=made, Plaintext=b"x")
    deny = {**allow(arn, "kms:Encrypt"), "Effect": "Deny"}
    kms.put_key_policy(KeyId=made, Policy=policy(allow(root, "kms:*"), deny))
    assert "explicit deny" in refusal_of("AccessDeniedException", client.encrypt, KeyId=made, Plaintext=b"x")


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ({"Operations": []}, "ValidationException"),
        ({"Operations": ["Sign"]}, "ValidationException"),
        ({"Operations": ["Encrypt"], "GranteePrincipal": "nobody"}, "InvalidArnException"),
        ({"Operations": ["Encrypt"], "GranteeServicePrincipal": "s3.amazonaws.com"}, "ValidationException"),
        ({"Operations": ["Encrypt"], "GrantTokens": ["nonsense"]}, "InvalidGrantTokenException"),
        (
            {"Operations": ["Encrypt"], "Constraints": {"EncryptionContextEquals": {"k": "v" * 400}}},
            "ValidationException",
        ),
    ],
)
def test_grants_that_cannot_be(kms: Any, key: str, wish: dict[str, Any], code: str) -> None:
    """What a key cannot do, nobody is, or nothing can check."""
    with refused(code, 400):
        kms.create_grant(**{"KeyId": key, "GranteePrincipal": f"arn:aws:iam::{OTHER}:root", **wish})


# -- tags ----------------------------------------------------------------------------------------------------------------


def test_tags_come_and_go(kms: Any) -> None:
    """Added, changed, removed, listed in pieces; fifty at most."""
    made = new(kms)["KeyId"]
    kms.tag_resource(KeyId=made, Tags=[{"TagKey": name, "TagValue": "1"} for name in "abc"])
    kms.tag_resource(KeyId=made, Tags=[{"TagKey": "a", "TagValue": "2"}])
    kms.untag_resource(KeyId=made, TagKeys=["b", "nothing"])
    pages = list(kms.get_paginator("list_resource_tags").paginate(KeyId=made, PaginationConfig={"PageSize": 1}))
    assert [page["Tags"] for page in pages] == [[{"TagKey": "a", "TagValue": "2"}], [{"TagKey": "c", "TagValue": "1"}]]
    with refused("LimitExceededException", 400):
        kms.tag_resource(KeyId=made, Tags=[{"TagKey": f"k{n}", "TagValue": ""} for n in range(49)])
    with refused("TagException", 400):
        kms.tag_resource(KeyId=made, Tags=[{"TagKey": "AWS:x", "TagValue": ""}])


# -- key pairs and MACs ----------------------------------------------------------------------------------------------------

PADDINGS: dict[str, Callable[[Any], Any]] = {
    "PKCS1_V1_5": lambda _: padding.PKCS1v15(),
    "PSS": lambda digest: padding.PSS(padding.MGF1(digest), digest.digest_size),
}


@pytest.mark.parametrize("bits", [2048, 3072, 4096])
def test_rsa_signatures_are_rsa_signatures(kms: Any, bits: int) -> None:
    """Each algorithm's is verified by the public key, here and by KMS; of messages and of digests."""
    made = new(kms, KeySpec=f"RSA_{bits}", KeyUsage="SIGN_VERIFY")
    answer = kms.get_public_key(KeyId=made["KeyId"])
    public = serialization.load_der_public_key(answer["PublicKey"])
    assert isinstance(public, rsa.RSAPublicKey)
    assert public.key_size == bits
    assert answer["SigningAlgorithms"] == made["SigningAlgorithms"]
    for algorithm in made["SigningAlgorithms"]:
        digest = getattr(hashes, f"SHA{algorithm[-3:]}")()
        form = algorithm.removeprefix("RSASSA_")[:-8]
        signature = kms.sign(KeyId=made["KeyId"], Message=b"text", SigningAlgorithm=algorithm)["Signature"]
        public.verify(signature, b"text", PADDINGS[form](digest), digest)
        hashed = hashlib.new(f"sha{algorithm[-3:]}", b"text").digest()
        asked = {"KeyId": made["KeyId"], "Message": hashed, "MessageType": "DIGEST", "SigningAlgorithm": algorithm}
        assert kms.verify(**asked, Signature=signature)["SignatureValid"] is True
        public.verify(kms.sign(**asked)["Signature"], hashed, PADDINGS[form](digest), utils.Prehashed(digest))
        with refused("KMSInvalidSignatureException", 400):
            kms.verify(KeyId=made["KeyId"], Message=b"other", Signature=signature, SigningAlgorithm=algorithm)


@pytest.mark.parametrize(("spec", "digest"), [("P256", "256"), ("P384", "384"), ("P521", "512")])
def test_signatures_of_curves(kms: Any, spec: str, digest: str) -> None:
    """ECDSA, as DER; another algorithm's name is refused, and so is a digest of another length."""
    made = new(kms, KeySpec=f"ECC_NIST_{spec}", KeyUsage="SIGN_VERIFY")["KeyId"]
    public = serialization.load_der_public_key(kms.get_public_key(KeyId=made)["PublicKey"])
    assert isinstance(public, ec.EllipticCurvePublicKey)
    asked = {"KeyId": made, "Message": b"text", "SigningAlgorithm": f"ECDSA_SHA_{digest}"}
    signature = kms.sign(**asked)["Signature"]
    public.verify(signature, b"text", ec.ECDSA(getattr(hashes, f"SHA{digest}")()))
    assert kms.verify(**asked, Signature=signature)["SignatureValid"] is True
    for broken in (b"nonsense", signature[:-1], b"\x30\x06\x02\x01\x00\x02\x01\x00"):
        with refused("KMSInvalidSignatureException", 400):
            kms.verify(**asked, Signature=broken)
    with refused("InvalidKeyUsageException", 400):
        kms.sign(**{**asked, "SigningAlgorithm": "RSASSA_PSS_SHA_256"})
    with refused("ValidationException", 400):
        kms.sign(**asked, MessageType="DIGEST")


@pytest.mark.parametrize("algorithm", ["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"])
def test_rsa_encryption(kms: Any, algorithm: str) -> None:
    """What anybody encrypts with the public key KMS decrypts, told which key and algorithm it was."""
    made = new(kms, KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")["KeyId"]
    public = serialization.load_der_public_key(kms.get_public_key(KeyId=made)["PublicKey"])
    assert isinstance(public, rsa.RSAPublicKey)
    digest = hashes.SHA1() if algorithm.endswith("_1") else hashes.SHA256()
    outside = public.encrypt(b"text", padding.OAEP(padding.MGF1(digest), digest, None))
    inside = kms.encrypt(KeyId=made, Plaintext=b"text", EncryptionAlgorithm=algorithm)["CiphertextBlob"]
    for blob in (outside, inside):
        found = kms.decrypt(KeyId=made, CiphertextBlob=blob, EncryptionAlgorithm=algorithm)
        assert (found["Plaintext"], found["EncryptionAlgorithm"]) == (b"text", algorithm)
    with refused("ValidationException", 400):
        kms.decrypt(CiphertextBlob=inside, EncryptionAlgorithm=algorithm)
    with refused("InvalidCiphertextException", 400):
        kms.decrypt(KeyId=made, CiphertextBlob=inside[:-1] + b"x", EncryptionAlgorithm=algorithm)
    with refused("ValidationException", 400):
        kms.encrypt(KeyId=made, Plaintext=b"x" * 300, EncryptionAlgorithm=algorithm)
    with refused("InvalidKeyUsageException", 400):
        kms.encrypt(KeyId=made, Plaintext=b"text")
    with refused("InvalidKeyUsageException", 400):
        kms.generate_data_key(KeyId=made, KeySpec="AES_256")


@pytest.mark.parametrize("bits", [224, 256, 384, 512])
def test_macs(kms: Any, bits: int) -> None:
    """Of the right length, verified, and refused when one bit differs."""
    made = new(kms, KeySpec=f"HMAC_{bits}", KeyUsage="GENERATE_VERIFY_MAC")["KeyId"]
    asked = {"KeyId": made, "Message": b"text", "MacAlgorithm": f"HMAC_SHA_{bits}"}
    code = kms.generate_mac(**asked)["Mac"]
    assert len(code) == bits // 8
    assert kms.verify_mac(**asked, Mac=code)["MacValid"] is True
    for wrong in (code[:-1], code[:-1] + bytes([code[-1] ^ 1])):
        with refused("KMSInvalidMacException", 400):
            kms.verify_mac(**asked, Mac=wrong)
    other = "HMAC_SHA_512" if bits != 512 else "HMAC_SHA_256"
    with refused("InvalidKeyUsageException", 400):
        kms.generate_mac(**{**asked, "MacAlgorithm": other})


@pytest.mark.parametrize("spec", ["ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521"])
def test_a_secret_that_two_share(kms: Any, spec: str) -> None:
    """ECDH with a pair outside of KMS gives both the same; a key of another curve gives nothing."""
    made = new(kms, KeySpec=spec, KeyUsage="KEY_AGREEMENT")["KeyId"]
    theirs = serialization.load_der_public_key(kms.get_public_key(KeyId=made)["PublicKey"])
    assert isinstance(theirs, ec.EllipticCurvePublicKey)
    mine = ec.generate_private_key(theirs.curve)
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    asked = {"KeyId": made, "KeyAgreementAlgorithm": "ECDH"}
    answer = kms.derive_shared_secret(**asked, PublicKey=mine.public_key().public_bytes(*form))
    assert hmac.compare_digest(answer["SharedSecret"], mine.exchange(ec.ECDH(), theirs))
    other = ec.generate_private_key(ec.SECP256K1()).public_key().public_bytes(*form)
    for wrong in (b"nonsense", other):
        with refused("ValidationException", 400):
            kms.derive_shared_secret(**asked, PublicKey=wrong)


def test_keys_are_used_for_what_they_are_for(kms: Any, key: str) -> None:
    """And for nothing else."""
    signing = new(kms, KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyId"]
    with refused("InvalidKeyUsageException", 400):
        kms.encrypt(KeyId=signing, Plaintext=b"x")
    with refused("InvalidKeyUsageException", 400):
        kms.sign(KeyId=key, Message=b"x", SigningAlgorithm="ECDSA_SHA_256")
    with refused("InvalidKeyUsageException", 400):
        kms.generate_mac(KeyId=key, Message=b"x", MacAlgorithm="HMAC_SHA_256")
    with refused("UnsupportedOperationException", 400):
        kms.get_public_key(KeyId=key)


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("create_custom_key_store", {"CustomKeyStoreName": "x"}),
        (
            "get_parameters_for_import",
            {"KeyId": "x", "WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"},
        ),
        ("replicate_key", {"KeyId": "x", "ReplicaRegion": "eu-north-1"}),
    ],
)
def test_what_is_not_built_says_so(kms: Any, operation: str, params: dict[str, str]) -> None:
    """Custom key stores, imported material, replicas."""
    with refused("NotImplemented", 501):
        getattr(kms, operation)(**params)
