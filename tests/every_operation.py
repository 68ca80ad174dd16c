"""A valid request for every operation that is built, on things that are there: for tests that hold for all of them."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from functions import NOTHING, TRUST_LAMBDA, allow
from live import LiveCloud
from pilvi import services
from pilvi.wire import model

NAME = "every-thing"
OPEN = {("sts", "GetCallerIdentity"), ("sts", "GetSessionToken")}
"""Operations that every authenticated caller may use."""
USES = "iam_use"  # when keys were last used: written now and then, by nobody's request

Params = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Call:
    """One operation with the members that it cannot do without."""

    service: str
    operation: str
    params: Params

    def __str__(self) -> str:
        return f"{self.service}:{self.operation}"


@dataclasses.dataclass(frozen=True)
class Things:
    """One of each kind of thing, all called NAME, in the account of a cloud's root key."""

    account: str
    region: str
    upload: str
    key_id: str
    kms: KmsThings

    @property
    def function(self) -> str:
        return f"arn:aws:lambda:{self.region}:{self.account}:function:{NAME}"

    def iam(self, kind: str) -> str:
        return f"arn:aws:iam::{self.account}:{kind}/{NAME}"

    def calls(self) -> Iterator[Call]:
        """A call of every operation that is built."""
        for name, service in sorted(services.discover().items()):
            described = model.load(name)
            for operation in sorted(service.operations):
                found = described.operations[operation].input
                required = described.shape(found).required if found else ()
                values = self._values(name, operation)
                yield Call(name, operation, {member: values[member] for member in required} | values.get("more", {}))

    def _values(self, service: str, operation: str) -> Params:
        return {
            "iam": self._iam,
            "kms": self.kms.values,
            "lambda": self._lambda,
            "logs": self._logs,
            "s3": self._s3,
            "sts": lambda _: {"RoleArn": self.iam("role"), "RoleSessionName": "session"},
        }[service](operation)

    def _iam(self, operation: str) -> Params:
        new = {"CreateUser", "CreateGroup", "CreateRole", "CreatePolicy", "CreateInstanceProfile"}
        name = f"{NAME}-new" if operation in new else NAME
        values: Params = dict.fromkeys(("UserName", "GroupName", "RoleName", "PolicyName", "InstanceProfileName"), name)
        values |= {
            "AccessKeyId": self.key_id,
            "Status": "Inactive",
            "AccountAlias": NAME,
            "PolicyArn": self.iam("policy"),
            "PolicySourceArn": self.iam("user"),
            "PermissionsBoundary": self.iam("policy"),
            "PolicyDocument": allow("s3:*"),
            "AssumeRolePolicyDocument": TRUST_LAMBDA,
            "VersionId": "v1",
            "Description": "changed",
            "PolicyInputList": [allow("*")],
            "ActionNames": ["s3:GetObject"],
            "Tags": [{"Key": "k", "Value": "v"}],
            "TagKeys": ["k"],
        }
        named = {"GetUser", "ListAccessKeys", "CreateAccessKey", "UpdateAccessKey", "DeleteAccessKey"}
        if operation in named:
            values["more"] = {"UserName": NAME}
        if operation == "UpdateAssumeRolePolicy":
            values["more"] = {"PolicyDocument": TRUST_LAMBDA}
            values["PolicyDocument"] = TRUST_LAMBDA
        return values

    def _lambda(self, operation: str) -> Params:
        values: Params = {
            "FunctionName": f"{self.function}-new" if operation == "CreateFunction" else self.function,
            "Role": self.iam("role"),
            "Code": {"ZipFile": NOTHING},
            "StatementId": "statement",
            "Action": "lambda:InvokeFunction",
            "Principal": "s3.amazonaws.com",
            "Name": "live",
            "FunctionVersion": "$LATEST",
            "Resource": self.function,
            "Tags": {"k": "v"},
            "TagKeys": ["k"],
        }
        if operation == "CreateFunction":
            values["more"] = {"Runtime": "python3.11", "Handler": "main.handler"}
        if operation == "UpdateFunctionCode":
            values["more"] = {"ZipFile": NOTHING}
        return values

    def _logs(self, operation: str) -> Params:
        values: Params = {
            "logGroupName": f"{NAME}-new" if operation == "CreateLogGroup" else NAME,
            "logStreamName": f"{NAME}-new" if operation == "CreateLogStream" else NAME,
            "retentionInDays": 1,
            "resourceArn": f"arn:aws:logs:{self.region}:{self.account}:log-group:{NAME}",
            "tags": ["k"] if operation == "UntagLogGroup" else {"k": "v"},
            "tagKeys": ["k"],
            "logEvents": [{"timestamp": 1_800_000_000_000, "message": "m"}],
        }
        if operation in {"DescribeLogStreams", "FilterLogEvents", "GetLogEvents"}:
            values["more"] = {"logGroupName": NAME}
        return values

    def _s3(self, operation: str) -> Params:
        own = {"AWS": f"arn:aws:iam::{self.account}:root"}
        statement = {"Effect": "Allow", "Principal": own, "Action": "s3:*", "Resource": f"arn:aws:s3:::{NAME}"}
        values: Params = {
            "Bucket": f"{NAME}-new" if operation == "CreateBucket" else NAME,
            "BucketLoggingStatus": {"LoggingEnabled": {"TargetBucket": NAME, "TargetPrefix": "log/"}},
            "Key": NAME,
            "UploadId": self.upload,
            "PartNumber": 1,
            "CopySource": f"{NAME}/{NAME}",
            "Delete": {"Objects": [{"Key": NAME}]},
            "ObjectAttributes": ["ETag"],
            "CORSConfiguration": {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]},
            "NotificationConfiguration": {},
            "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
            "RequestPaymentConfiguration": {"Payer": "BucketOwner"},
            "Policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
            "PublicAccessBlockConfiguration": {"BlockPublicAcls": False},
            "WebsiteConfiguration": {"IndexDocument": {"Suffix": "index.html"}},
            "ServerSideEncryptionConfiguration": {
                "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
            },
            "Tagging": {"TagSet": [{"Key": "k", "Value": "v"}]},
            "VersioningConfiguration": {"Status": "Enabled"},
        }
        if operation == "PutObjectLockConfiguration":
            values["more"] = {"ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled"}}
        if operation == "PutObjectRetention":
            values["more"] = {"Retention": {}}
        if operation == "PutObjectLegalHold":
            values["more"] = {"LegalHold": {"Status": "ON"}}
        if operation in {"PutBucketAcl", "PutObjectAcl"}:
            values["more"] = {"ACL": "bucket-owner-full-control"}
        if operation == "CompleteMultipartUpload":
            values["more"] = {"MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": '"0"'}]}}
        if operation == "PutBucketLifecycleConfiguration":
            rule = {"Status": "Enabled", "Filter": {}, "Expiration": {"Days": 1}}
            values["more"] = {"LifecycleConfiguration": {"Rules": [rule]}}
        if operation == "PutBucketReplication":
            rule = {"Status": "Enabled", "Prefix": "", "Destination": {"Bucket": f"arn:aws:s3:::{NAME}"}}
            values["ReplicationConfiguration"] = {"Role": self.iam("role"), "Rules": [rule]}
        if operation == "RestoreObject":
            values["more"] = {"RestoreRequest": {"Days": 1}}
        if operation in {"PutObject", "UploadPart"}:
            values["more"] = {"Body": b"changed"}
        return values


@dataclasses.dataclass(frozen=True)
class KmsThings:
    """A key of each usage, a grant, and what was made with them; one key that is about to be deleted."""

    account: str
    region: str
    symmetric: str
    signing: str
    mac: str
    agreeing: str
    dying: str
    grant: str
    blob: bytes
    signature: bytes
    code: bytes
    public: bytes

    def arn(self, key: str) -> str:
        return f"arn:aws:kms:{self.region}:{self.account}:key/{key}"

    def values(self, operation: str) -> Params:
        values: Params = {
            "KeyId": self.arn(self._key(operation)),
            "AliasName": f"alias/{NAME}-new" if operation == "CreateAlias" else f"alias/{NAME}",
            "TargetKeyId": self.symmetric,
            "GrantId": self.grant,
            "Operations": ["Encrypt"],
            "Plaintext": b"plain",
            "Message": b"message",
            "Policy": kms_policy(self.account),
            "Description": "changed",
            "Tags": [{"TagKey": "k", "TagValue": "v"}],
            "TagKeys": ["k"],
            "SourceKeyId": self.arn(self.symmetric),
            "DestinationKeyId": self.arn(self.symmetric),
            "SigningAlgorithm": "ECDSA_SHA_256",
            "Signature": self.signature,
            "MacAlgorithm": "HMAC_SHA_256",
            "Mac": self.code,
            "KeyAgreementAlgorithm": "ECDH",
            "PublicKey": self.public,
            "KeyPairSpec": "ECC_NIST_P256",
        }
        retiring = {"RetiringPrincipal": f"arn:aws:iam::{self.account}:user/{NAME}"}
        more: dict[str, Params] = {
            "CreateGrant": {"GranteePrincipal": f"arn:aws:iam::{self.account}:user/{NAME}"},
            "Decrypt": {"CiphertextBlob": self.blob},
            "ReEncrypt": {"CiphertextBlob": self.blob},
            "GenerateDataKey": {"KeySpec": "AES_256"},
            "GenerateDataKeyWithoutPlaintext": {"NumberOfBytes": 16},
            "GenerateRandom": {"NumberOfBytes": 8},
            "ListRetirableGrants": retiring,
            "RetireGrant": {"KeyId": self.arn(self.symmetric), "GrantId": self.grant},
        }
        return values | {"more": more.get(operation, {})}

    def _key(self, operation: str) -> str:
        if operation in {"Sign", "Verify", "GetPublicKey"}:
            return self.signing
        if operation in {"GenerateMac", "VerifyMac"}:
            return self.mac
        others = {"DeriveSharedSecret": self.agreeing, "CancelKeyDeletion": self.dying}
        return others.get(operation, self.symmetric)


def kms_policy(account: str) -> str:
    """The key policy that leaves everything to the account."""
    own = {"AWS": f"arn:aws:iam::{account}:root"}
    statement = {"Effect": "Allow", "Principal": own, "Action": "kms:*", "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def make_kms(cloud: LiveCloud) -> KmsThings:
    kms = cloud.client("kms")

    def key(spec: str, usage: str) -> str:
        return str(kms.create_key(KeySpec=spec, KeyUsage=usage)["KeyMetadata"]["KeyId"])

    symmetric, dying = (key("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT") for _ in range(2))
    signing, agreeing = (key("ECC_NIST_P256", usage) for usage in ("SIGN_VERIFY", "KEY_AGREEMENT"))
    mac = key("HMAC_256", "GENERATE_VERIFY_MAC")
    kms.create_alias(AliasName=f"alias/{NAME}", TargetKeyId=symmetric)
    kms.schedule_key_deletion(KeyId=dying)
    grantee = f"arn:aws:iam::{cloud.account}:role/{NAME}"
    grant = kms.create_grant(KeyId=symmetric, GranteePrincipal=grantee, Operations=["Decrypt"])["GrantId"]
    signed = kms.sign(KeyId=signing, Message=b"message", SigningAlgorithm="ECDSA_SHA_256")
    coded = kms.generate_mac(KeyId=mac, Message=b"message", MacAlgorithm="HMAC_SHA_256")
    return KmsThings(
        account=cloud.account,
        region=cloud.region,
        symmetric=symmetric,
        signing=signing,
        mac=mac,
        agreeing=agreeing,
        dying=dying,
        grant=grant,
        blob=kms.encrypt(KeyId=symmetric, Plaintext=b"plain")["CiphertextBlob"],
        signature=signed["Signature"],
        code=coded["Mac"],
        public=kms.get_public_key(KeyId=agreeing)["PublicKey"],
    )


def make(cloud: LiveCloud) -> Things:
    """One of each kind of thing."""
    iam, s3, logs = cloud.client("iam"), cloud.client("s3"), cloud.client("logs")
    iam.create_user(UserName=NAME)
    iam.create_group(GroupName=NAME)
    iam.create_instance_profile(InstanceProfileName=NAME)
    iam.create_policy(PolicyName=NAME, PolicyDocument=allow("s3:GetObject"))
    iam.create_role(RoleName=NAME, AssumeRolePolicyDocument=TRUST_LAMBDA)
    iam.put_user_policy(UserName=NAME, PolicyName=NAME, PolicyDocument=allow("s3:GetObject"))
    key = iam.create_access_key(UserName=NAME)["AccessKey"]["AccessKeyId"]
    s3.create_bucket(Bucket=NAME)
    s3.put_object(Bucket=NAME, Key=NAME, Body=b"before", Tagging="k=v")
    upload = s3.create_multipart_upload(Bucket=NAME, Key=NAME)["UploadId"]
    logs.create_log_group(logGroupName=NAME)
    logs.create_log_stream(logGroupName=NAME, logStreamName=NAME)
    functions = cloud.client("lambda")
    functions.create_function(
        FunctionName=NAME,
        Role=f"arn:aws:iam::{cloud.account}:role/{NAME}",
        Code={"ZipFile": NOTHING},
        Runtime="python3.11",
        Handler="main.handler",
    )
    functions.create_alias(FunctionName=NAME, Name="live", FunctionVersion="$LATEST")
    return Things(cloud.account, cloud.region, upload, key, make_kms(cloud))


def outcome(client: Any, call: Call) -> tuple[str, int, str]:
    """Error code ("" without one), HTTP status and message of a call. What DeleteObjects says of its one key counts."""
    try:
        answer = client._make_api_call(call.operation, call.params)
    except ClientError as error:
        found = error.response
        return found["Error"]["Code"], found["ResponseMetadata"]["HTTPStatusCode"], found["Error"].get("Message", "")
    status = answer["ResponseMetadata"]["HTTPStatusCode"]
    if call.operation == "DeleteObjects" and "Errors" in answer:
        return answer["Errors"][0]["Code"], status, answer["Errors"][0]["Message"]
    return "", status, ""


def stored(data: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table of a cloud's data, but for when keys were used."""
    with sqlite3.connect(f"file:{database(data)}?mode=ro", uri=True) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = {name: connection.execute(f'SELECT * FROM "{name}"').fetchall() for name in tables if name != USES}
    return {name: sorted(found, key=repr) for name, found in rows.items()}


def database(data: Path) -> Path:
    (found,) = data.glob("*.db")
    return found
