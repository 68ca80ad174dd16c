"""What should not work: attempts of users, other accounts and strangers to get at what is not theirs."""

from __future__ import annotations

import hashlib
import json
import os
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

import forms
from handmade import Answer, Signer, Wire
from live import LiveCloud, Unique
from refusals import refused

OTHER = "111111111111"
OTHER_KEY, OTHER_SECRET = "PILVITESTOTHERKEY001", "a-secret-that-only-the-other-account-knows"
KMS = {"ServerSideEncryption": "aws:kms"}
Who = Callable[..., Any]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveCloud]:
    """A cloud that knows a second account."""
    key = f"{OTHER}:other:{OTHER_KEY}:{OTHER_SECRET}"
    with LiveCloud(tmp_path_factory.mktemp("security"), "--user-key", key) as running:
        yield running


@pytest.fixture(scope="module")
def s3(cloud: LiveCloud) -> Any:
    return cloud.client("s3")


@pytest.fixture(scope="module")
def kms(cloud: LiveCloud) -> Any:
    return cloud.client("kms")


@pytest.fixture(scope="module")
def other(cloud: LiveCloud) -> Any:
    """A client of the other account's administrator."""
    return cloud.client("s3", aws_access_key_id=OTHER_KEY, aws_secret_access_key=OTHER_SECRET)


@pytest.fixture(scope="module")
def anonymous(cloud: LiveCloud) -> Any:
    return cloud.client("s3", config=Config(signature_version=UNSIGNED))


@pytest.fixture
def bucket(s3: Any, unique: Unique) -> str:
    name = unique("safe")
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def open_bucket(s3: Any, unique: Unique) -> str:
    """Everybody may write; objects belong to their writers and can be locked."""
    name = unique("open")
    s3.create_bucket(Bucket=name, ObjectOwnership="ObjectWriter", ObjectLockEnabledForBucket=True)
    s3.delete_public_access_block(Bucket=name)
    s3.put_bucket_acl(Bucket=name, ACL="public-read-write")
    return name


@pytest.fixture
def user(cloud: LiveCloud, unique: Unique) -> Who:
    """Makes users who may do these actions: a client of theirs."""

    def make(*actions: str, **more: Any) -> Any:
        iam, name = cloud.client("iam"), unique("user")
        iam.create_user(UserName=name)
        document = policy({"Effect": "Allow", "Action": list(actions), "Resource": "*", **more})
        iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document)
        made = iam.create_access_key(UserName=name)["AccessKey"]
        return cloud.client("s3", aws_access_key_id=made["AccessKeyId"], aws_secret_access_key=made["SecretAccessKey"])

    return make


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def denied(*attempts: Callable[[], Any]) -> None:
    """Each of them."""
    for attempt in attempts:
        with refused("AccessDenied", 403):
            attempt()


def fetched(request: urllib.request.Request | str) -> tuple[int, bytes]:
    """Status and body, whatever they are."""
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def code_of(call: Callable[..., Any], **request: Any) -> str:
    """The code of the error that a call is refused with."""
    with pytest.raises(ClientError) as failure:
        call(**request)
    return str(failure.value.response["Error"]["Code"])


def publish(s3: Any, bucket: str, *actions: str, principal: Any = "*") -> None:
    """Lets somebody do this with the bucket and its objects."""
    s3.delete_public_access_block(Bucket=bucket)
    resource = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    statement = {"Effect": "Allow", "Principal": principal, "Action": list(actions), "Resource": resource}
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement))


# -- keys ----------------------------------------------------------------------------------------------------------------


def test_s3_without_kms_opens_nothing(s3: Any, kms: Any, bucket: str, user: Who) -> None:
    """All of s3:* is of no use for bytes under a key that one may not use: not read, not copied, not written."""
    key = kms.create_key()["KeyMetadata"]["Arn"]
    s3.put_object(Bucket=bucket, Key="k", Body=b"secret", SSEKMSKeyId=key, **KMS)
    mallory, source = user("s3:*"), {"Bucket": bucket, "Key": "k"}
    assert mallory.head_object(**source)["ContentLength"] == 6
    with refused("403", 403):
        mallory.head_object(**source, ChecksumMode="ENABLED")
    upload = mallory.create_multipart_upload(Bucket=bucket, Key="plain")["UploadId"]
    denied(
        lambda: mallory.get_object(**source),
        lambda: mallory.get_object_attributes(**source, ObjectAttributes=["Checksum"]),
        lambda: mallory.copy_object(Bucket=bucket, Key="copy", CopySource=source),
        lambda: mallory.copy_object(Bucket=bucket, Key="k", CopySource=source, ServerSideEncryption="AES256"),
        lambda: mallory.upload_part_copy(Bucket=bucket, Key="plain", UploadId=upload, PartNumber=1, CopySource=source),
        lambda: mallory.put_object(Bucket=bucket, Key="new", Body=b"", SSEKMSKeyId=key, **KMS),
        lambda: mallory.create_multipart_upload(Bucket=bucket, Key="new", SSEKMSKeyId=key, **KMS),
    )
    assert s3.get_object(**source)["Body"].read() == b"secret"


def test_strangers_use_no_keys(s3: Any, kms: Any, anonymous: Any, bucket: str) -> None:
    """Neither the account's own, which would be nobody's, nor one whose policy names everybody."""
    everyone = {"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"}
    key = kms.create_key(Policy=policy(everyone))["KeyMetadata"]["Arn"]
    s3.put_object(Bucket=bucket, Key="k", Body=b"secret", SSEKMSKeyId=key, **KMS)
    publish(s3, bucket, "s3:GetObject", "s3:PutObject")
    with refused("InvalidArgument", 400):
        anonymous.get_object(Bucket=bucket, Key="k")
    for name in ({"KMSMasterKeyID": key}, {}):
        default = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", **name}}
        s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [default]})
        with refused("InvalidArgument", 400):
            anonymous.put_object(Bucket=bucket, Key="new", Body=b"x")
    with refused("NoSuchKey", 404):
        s3.get_object(Bucket=bucket, Key="new")


def test_a_website_shows_nothing_under_keys_of_kms(cloud: LiveCloud, s3: Any, bucket: str) -> None:
    """A browser is a stranger."""
    s3.put_object(Bucket=bucket, Key="index.html", Body=b"secret", **KMS)
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}})
    publish(s3, bucket, "s3:GetObject")
    request = urllib.request.Request(cloud.endpoint, headers={"Host": f"{bucket}.s3-website.localhost"})
    status, body = fetched(request)
    assert status == 400
    assert b"secret" not in body


def test_another_customers_key_tells_nothing(s3: Any, bucket: str) -> None:
    """Neither of the bytes nor of what is said about them."""
    named = {"Bucket": bucket, "Key": "k", "SSECustomerAlgorithm": "AES256"}
    s3.put_object(**named, SSECustomerKey=os.urandom(32), Body=b"x", Metadata={"secret": "1"})
    wrong = {**named, "SSECustomerKey": os.urandom(32)}
    assert code_of(s3.get_object, **wrong) == "AccessDenied"
    assert code_of(s3.head_object, **wrong) == "403"
    key = os.urandom(32)
    md5 = b64encode(hashlib.md5(key, usedforsecurity=False).digest()).decode()
    wrong |= {"SSECustomerKey": b64encode(key).decode(), "SSECustomerKeyMD5": md5}
    assert code_of(s3.get_object_attributes, **wrong, ObjectAttributes=["ObjectSize"]) == "AccessDenied"


def test_a_ciphertext_opens_for_its_key_and_context_only(kms: Any) -> None:
    """Whatever is done to it: an error of the client."""
    key, second = (kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(2))
    blob = kms.encrypt(KeyId=key, Plaintext=b"secret", EncryptionContext={"a": "b"})["CiphertextBlob"]
    other_head = kms.encrypt(KeyId=second, Plaintext=b"x")["CiphertextBlob"][:37] + blob[37:]
    damaged = [blob[:place] + bytes([blob[place] ^ 1]) + blob[place + 1 :] for place in range(0, len(blob), 3)]
    damaged += [blob[:length] for length in range(1, len(blob), 7)]
    damaged += [b"\x01" + b"\xff" * 80, b"\x00", os.urandom(80), blob[:17] + b"\xff" * 4 + blob[21:], other_head]
    for one in damaged:
        code = code_of(kms.decrypt, CiphertextBlob=one, EncryptionContext={"a": "b"})
        assert code in {"InvalidCiphertextException", "AccessDeniedException"}, one
    for context in ({}, {"a": "c"}, {"a": "b", "c": "d"}, {"A": "b"}):
        assert code_of(kms.decrypt, CiphertextBlob=blob, EncryptionContext=context) == "InvalidCiphertextException"
    assert code_of(kms.decrypt, CiphertextBlob=blob, KeyId=second) == "IncorrectKeyException"


# -- writing in open buckets ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more",
    [
        {"Tagging": "a=b"},
        {"ObjectLockLegalHoldStatus": "ON", "ContentMD5": "1B2M2Y8AsgTpgAmY7PhCfg=="},
        {
            "ObjectLockMode": "COMPLIANCE",
            "ObjectLockRetainUntilDate": "2100-01-01T00:00:00Z",
            "ContentMD5": "1B2M2Y8AsgTpgAmY7PhCfg==",
        },
    ],
)
def test_who_may_write_may_not_lock_or_tag(
    s3: Any, other: Any, anonymous: Any, open_bucket: str, more: dict[str, str]
) -> None:
    """WRITE in a list makes objects. What stays for a hundred years, or is billed to whom, its bucket's owner decides."""
    for client in (other, anonymous):
        client.put_object(Bucket=open_bucket, Key="k", Body=b"")
        with refused("AccessDenied", 403):
            client.put_object(Bucket=open_bucket, Key="k", Body=b"", **more)
        began = {name: value for name, value in more.items() if name != "ContentMD5"}
        with refused("AccessDenied", 403):
            client.create_multipart_upload(Bucket=open_bucket, Key="k", **began)
        with refused("AccessDenied", 403):
            client.copy_object(Bucket=open_bucket, Key="k", CopySource=f"{open_bucket}/k", TaggingDirective="REPLACE",
                               MetadataDirective="REPLACE", **began)  # fmt: skip
    s3.put_object(Bucket=open_bucket, Key="k", Body=b"", **more)


def test_write_acp_is_not_read(s3: Any, other: Any, open_bucket: str) -> None:
    """Who may change a list can let itself in, once; and not to other objects, and not as the owner."""
    s3.put_object(Bucket=open_bucket, Key="k", Body=b"x")
    own = s3.get_object_acl(Bucket=open_bucket, Key="k")["Owner"]["ID"]
    theirs = other.list_buckets()["Owner"]["ID"]
    for client_call in (other.get_object, other.get_object_acl):
        with refused("AccessDenied", 403):
            client_call(Bucket=open_bucket, Key="k")
    with refused("AccessDenied", 403):
        other.put_object_acl(Bucket=open_bucket, Key="k", GrantRead=f"id={theirs}")
    s3.put_object_acl(Bucket=open_bucket, Key="k", GrantWriteACP=f"id={theirs}", GrantFullControl=f"id={own}")
    with refused("AccessDenied", 403):
        other.get_object(Bucket=open_bucket, Key="k")
    with refused("AccessDenied", 403):
        other.delete_object(
            Bucket=open_bucket, Key="k", VersionId=s3.head_object(Bucket=open_bucket, Key="k")["VersionId"]
        )
    other.put_object_acl(Bucket=open_bucket, Key="k", GrantRead=f"id={theirs}")
    assert other.get_object(Bucket=open_bucket, Key="k")["Body"].read() == b"x"
    assert s3.get_object_acl(Bucket=open_bucket, Key="k")["Owner"]["ID"] == own


def test_a_blocked_public_stays_blocked(s3: Any, open_bucket: str, anonymous: Any) -> None:
    """A public list from before does not count while lists of the public are ignored, and none can be put again."""
    s3.put_object(Bucket=open_bucket, Key="k", Body=b"x", ACL="public-read")
    block = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
    s3.put_public_access_block(Bucket=open_bucket, PublicAccessBlockConfiguration=block)
    denied(
        lambda: anonymous.get_object(Bucket=open_bucket, Key="k"),
        lambda: anonymous.put_object(Bucket=open_bucket, Key="k", Body=b""),
        lambda: s3.put_object(Bucket=open_bucket, Key="k", Body=b"", ACL="public-read"),
        lambda: s3.put_object_acl(Bucket=open_bucket, Key="k", ACL="public-read"),
        lambda: s3.create_multipart_upload(Bucket=open_bucket, Key="k", ACL="public-read"),
        lambda: s3.copy_object(Bucket=open_bucket, Key="k", CopySource=f"{open_bucket}/k", ACL="public-read",
                               MetadataDirective="REPLACE"),
    )  # fmt: skip


def test_the_anonymous_have_an_id_that_is_public_too(s3: Any, anonymous: Any, open_bucket: str) -> None:
    """What is granted to their canonical id is granted to everybody, and blocked and ignored like that."""
    nobody = "id=65a011a29cdf8ec533ec3d1ccaae921c"
    s3.put_object(Bucket=open_bucket, Key="k", Body=b"x", GrantRead=nobody)
    assert anonymous.get_object(Bucket=open_bucket, Key="k")["Body"].read() == b"x"
    block = {"BlockPublicAcls": True, "IgnorePublicAcls": True}
    s3.put_public_access_block(Bucket=open_bucket, PublicAccessBlockConfiguration=block)
    denied(
        lambda: anonymous.get_object(Bucket=open_bucket, Key="k"),
        lambda: s3.put_object(Bucket=open_bucket, Key="k", Body=b"", GrantRead=nobody),
        lambda: s3.put_object_acl(Bucket=open_bucket, Key="k", GrantReadACP=nobody),
        lambda: s3.put_bucket_acl(Bucket=open_bucket, GrantWrite=nobody),
    )


# -- forms ---------------------------------------------------------------------------------------------------------------


def test_a_form_asks_for_as_much_leave_as_a_put(cloud: LiveCloud, open_bucket: str, user: Who) -> None:
    """Whoever signs it: lists, tags, locks and keys have permissions of their own."""
    wire, mallory = Wire(cloud.endpoint), user("s3:PutObject")
    keys = mallory._request_signer._credentials
    signer = Signer(keys.access_key, keys.secret_key)
    own: list[Any] = [{"bucket": open_bucket}, {"key": "k"}]

    def post(fields: dict[str, str]) -> Answer:
        policy_fields = forms.signed(signer, *own, *({name: value} for name, value in fields.items()))
        return wire.send("POST", f"/{open_bucket}", *forms.posted({"key": "k", **policy_fields, **fields}))

    assert post({}).status == 204
    md5 = b64encode(hashlib.md5(b"content", usedforsecurity=False).digest()).decode()
    locked = {"x-amz-object-lock-mode": "COMPLIANCE", "x-amz-object-lock-retain-until-date": "2100-01-01T00:00:00Z"}
    tags = "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"
    for fields in (
        {"acl": "private"},
        {"x-amz-grant-read": 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'},
        {"tagging": tags},
        {**locked, "content-md5": md5},
        {"x-amz-object-lock-legal-hold": "ON", "content-md5": md5},
    ):
        answer = post(fields)
        assert (answer.status, answer.code) == (403, "AccessDenied"), fields


def test_a_form_is_nobodys_but_its_signers(cloud: LiveCloud, bucket: str) -> None:
    """The signature in a request's headers, or in its address, lends a form nothing."""
    wire, root = Wire(cloud.endpoint), Signer(cloud.access_key, cloud.secret_key)
    headers, body = forms.posted({"key": "k"})
    answer = wire.signed(root, "POST", f"/{bucket}", headers, body)
    assert (answer.status, answer.code) == (403, "AccessDenied")


# -- locks ---------------------------------------------------------------------------------------------------------------


def test_a_lock_holds_against_every_way_around(s3: Any, open_bucket: str, user: Who) -> None:
    """Who may delete versions but not bypass: no delete, batch, shorter lock, copy onto itself, tag or list ends a lock."""
    md5 = b64encode(bytes.fromhex("d41d8cd98f00b204e9800998ecf8427e")).decode()
    locked = s3.put_object(
        Bucket=open_bucket, Key="k", Body=b"", ObjectLockMode="GOVERNANCE",
        ObjectLockRetainUntilDate="2100-01-01T00:00:00Z", ContentMD5=md5,
    )["VersionId"]  # fmt: skip
    mallory = user(
        "s3:DeleteObject*", "s3:PutObject*", "s3:GetObject*", "s3:PutLifecycleConfiguration", "s3:PutBucketVersioning"
    )
    named = {"Bucket": open_bucket, "Key": "k", "VersionId": locked}
    denied(
        lambda: mallory.delete_object(**named),
        lambda: mallory.delete_object(**named, BypassGovernanceRetention=True),
        lambda: mallory.put_object_retention(**named, Retention={}, BypassGovernanceRetention=True),
    )
    gone = mallory.delete_objects(
        Bucket=open_bucket, Delete={"Objects": [{"Key": "k", "VersionId": locked}]}, BypassGovernanceRetention=True
    )
    assert [error["Code"] for error in gone["Errors"]] == ["AccessDenied"]
    with refused("InvalidBucketState", 409):
        mallory.put_bucket_versioning(Bucket=open_bucket, VersioningConfiguration={"Status": "Suspended"})
    mallory.copy_object(
        Bucket=open_bucket, Key="k", CopySource=f"{open_bucket}/k?versionId={locked}", MetadataDirective="REPLACE"
    )
    mallory.put_object_tagging(**named, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    mallory.delete_object(Bucket=open_bucket, Key="k")
    assert s3.get_object_retention(**named)["Retention"]["Mode"] == "GOVERNANCE"


def test_policies_know_what_a_bypass_is_for(s3: Any, open_bucket: str, user: Who) -> None:
    """A policy that lets nobody bypass a lock for less than a year of another is obeyed."""
    md5 = b64encode(bytes.fromhex("d41d8cd98f00b204e9800998ecf8427e")).decode()
    s3.put_object(
        Bucket=open_bucket, Key="k", Body=b"", ObjectLockMode="GOVERNANCE",
        ObjectLockRetainUntilDate="2100-01-01T00:00:00Z", ContentMD5=md5,
    )  # fmt: skip
    too_short = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:BypassGovernanceRetention",
        "Resource": f"arn:aws:s3:::{open_bucket}/*",
        "Condition": {"NumericLessThan": {"s3:object-lock-remaining-retention-days": "365"}},
    }
    s3.put_bucket_policy(Bucket=open_bucket, Policy=policy(too_short))
    keeper = user("s3:PutObjectRetention", "s3:BypassGovernanceRetention")

    def shorten(days: int) -> None:
        until = {"Mode": "GOVERNANCE", "RetainUntilDate": datetime.now(UTC) + timedelta(days=days)}
        keeper.put_object_retention(Bucket=open_bucket, Key="k", Retention=until, BypassGovernanceRetention=True)

    shorten(400)
    denied(lambda: shorten(300))


# -- other people's roles, buckets and uploads ---------------------------------------------------------------------------


def test_nobody_passes_the_role_of_another_account(
    cloud: LiveCloud, s3: Any, other: Any, bucket: str, unique: Unique
) -> None:
    """Who may configure somebody's bucket cannot make that one's roles carry its objects away."""
    trust = policy({"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sts:AssumeRole"})
    role = cloud.client("iam").create_role(RoleName=unique("role"), AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    publish(s3, bucket, "s3:PutReplicationConfiguration", principal={"AWS": OTHER})
    destination = unique("theirs")
    other.create_bucket(Bucket=destination)
    for client, name in ((s3, bucket), (other, destination)):
        client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    rule = {"Status": "Enabled", "Prefix": "", "Destination": {"Bucket": f"arn:aws:s3:::{destination}"}}
    wanted = {"Bucket": bucket, "ReplicationConfiguration": {"Role": role, "Rules": [rule]}}
    with refused("AccessDenied", 403):
        other.put_bucket_replication(**wanted)
    s3.put_bucket_replication(**wanted)


def test_logs_go_to_no_other_account(s3: Any, other: Any, bucket: str, unique: Unique) -> None:
    """Even where the other account's bucket lets log delivery write."""
    theirs = unique("theirs")
    other.create_bucket(Bucket=theirs)
    publish(other, theirs, "s3:PutObject", principal={"Service": "logging.s3.amazonaws.com"})
    with refused("InvalidTargetBucketForLogging", 400):
        s3.put_bucket_logging(
            Bucket=bucket, BucketLoggingStatus={"LoggingEnabled": {"TargetBucket": theirs, "TargetPrefix": ""}}
        )


def test_logs_are_not_made_public(s3: Any, bucket: str, open_bucket: str) -> None:
    """Who configures a log cannot grant it to everybody in a bucket that blocks that."""
    block = {"BlockPublicAcls": True}
    s3.put_public_access_block(Bucket=open_bucket, PublicAccessBlockConfiguration=block)
    everybody = {"Type": "Group", "URI": "http://acs.amazonaws.com/groups/global/AllUsers"}
    wanted = {
        "TargetBucket": open_bucket,
        "TargetPrefix": "",
        "TargetGrants": [{"Grantee": everybody, "Permission": "READ"}],
    }
    denied(lambda: s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={"LoggingEnabled": wanted}))


def test_what_one_may_not_read_cannot_be_copied(s3: Any, bucket: str, user: Who, unique: Unique) -> None:
    """By name or by version, whole or a part of it; and whether it is there is not told."""
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    version = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["VersionId"]
    mine = unique("mine")
    s3.create_bucket(Bucket=mine)
    mallory = user("s3:*", Resource=[f"arn:aws:s3:::{mine}", f"arn:aws:s3:::{mine}/*"])
    upload = mallory.create_multipart_upload(Bucket=mine, Key="k")["UploadId"]
    for key in ("k", f"k?versionId={version}", "absent", f"absent?versionId={version}", "k?versionId=null"):
        with refused("AccessDenied", 403):
            mallory.copy_object(Bucket=mine, Key="k", CopySource=f"{bucket}/{key}")
        with refused("AccessDenied", 403):
            mallory.upload_part_copy(Bucket=mine, Key="k", UploadId=upload, PartNumber=1, CopySource=f"{bucket}/{key}")
    reader = user("s3:GetObject", "s3:PutObject", Resource="*")
    with refused("AccessDenied", 403):
        reader.copy_object(Bucket=mine, Key="k", CopySource=f"{bucket}/k?versionId={version}")


@pytest.mark.parametrize("operation", ["get_object", "head_object", "get_object_attributes", "get_object_tagging"])
def test_without_list_nobody_learns_what_is_there(s3: Any, bucket: str, user: Who, operation: str) -> None:
    """What is not there is refused like what may not be read."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    reader = user("s3:GetObject*", Resource=f"arn:aws:s3:::{bucket}/public/*")
    more = {"ObjectAttributes": ["ETag"]} if operation == "get_object_attributes" else {}
    told = []
    for key in ("k", "absent", "public/absent"):
        code = code_of(getattr(reader, operation), Bucket=bucket, Key=key, **more)
        told.append(code)
    assert set(told) in ({"AccessDenied"}, {"403"}), told


# -- exhaustion ----------------------------------------------------------------------------------------------------------


def test_no_preflight_is_slow(cloud: LiveCloud, s3: Any, bucket: str) -> None:
    """However many headers a bucket allows and a stranger names."""
    patterns = [f"{number:04x}*" for number in range(1_900)]
    rule = {"AllowedMethods": ["GET"], "AllowedOrigins": ["*"], "AllowedHeaders": patterns}
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
    with refused("MalformedXML", 400):
        s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [{**rule, "AllowedHeaders": patterns * 3}]})
    asked = {"Origin": "http://page", "Access-Control-Request-Method": "GET"}
    for names, status in ((100, 403), (101, 400), (5_000, 400)):
        headers = {**asked, "Access-Control-Request-Headers": ",".join(f"h{number}" for number in range(names))}
        request = urllib.request.Request(f"{cloud.endpoint}/{bucket}/k", headers=headers, method="OPTIONS")
        begun = time.monotonic()
        assert fetched(request)[0] == status
        assert time.monotonic() - begun < 5


# -- secrets -------------------------------------------------------------------------------------------------------------


def test_no_secret_is_written_down(cloud: LiveCloud, s3: Any, bucket: str) -> None:
    """Neither a customer's key nor what a presigned URL is signed with, in no log and in no error."""
    key = os.urandom(32)
    told = b64encode(key).decode()
    named = {"Bucket": bucket, "Key": "k", "SSECustomerAlgorithm": "AES256", "SSECustomerKey": key}
    s3.put_object(**named, Body=b"x")
    s3.get_object(**named)
    with pytest.raises(s3.exceptions.ClientError) as caught:
        s3.get_object(**{**named, "SSECustomerKey": os.urandom(32)})
    assert told not in str(caught.value.response)
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "absent"})
    status, body = fetched(url)
    assert status == 404
    signature = url.partition("Signature=")[2].partition("&")[0]
    assert len(signature) > 10
    assert signature not in body.decode()
    for secret in (told, key.hex(), signature, cloud.secret_key):
        assert secret not in cloud.output()
    data = b"".join(path.read_bytes() for path in cloud.data.glob("data.db*"))
    assert key not in data
    assert told.encode() not in data


def test_the_master_key_is_its_owners_alone(cloud: LiveCloud) -> None:
    """The file, and the folder it lies in."""
    assert (cloud.data / "master.key").stat().st_mode & 0o777 == 0o600
    assert cloud.data.stat().st_mode & 0o077 == 0
