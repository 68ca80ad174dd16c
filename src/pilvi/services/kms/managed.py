"""AWS-managed keys: one for each account, region and service that asks for one.

They are there before anybody asks: ids and material follow from the cloud's master key. So a service that reads from a
snapshot, where nothing can be written, can use one that nobody used before; the row that makes it show up in lists is
written by the first transaction that can.

https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#aws-managed-cmk
"""

import hmac
from functools import lru_cache

import msgspec

from pilvi.core.context import Context
from pilvi.services.kms.names import AWS_ALIAS
from pilvi.services.kms.records import Key

SERVICES = {
    "dynamodb": "DynamoDB",
    "ebs": "EBS volumes",
    "elasticfilesystem": "EFS filesystems",
    "kinesis": "Kinesis",
    "lambda": "Lambda functions",
    "rds": "RDS databases",
    "s3": "S3 objects",
    "secretsmanager": "Secrets Manager secrets",
    "sns": "SNS messages",
    "sqs": "SQS messages",
    "ssm": "SSM parameters",
}
"""By the part of the alias' name behind alias/aws/: what AWS's text says the key protects."""
_PRINCIPALS = {"ebs": "ec2"}


def alias_of(service: str) -> str:
    return AWS_ALIAS + service


def service_of(alias: str) -> str:
    """The service whose key has this alias; "" when none has."""
    service = alias.removeprefix(AWS_ALIAS) if alias.startswith(AWS_ALIAS) else ""
    return service if service in SERVICES else ""


def key(ctx: Context, account: str, service: str) -> Key:
    """The key as it is stored, else as it would be."""
    key_id = _ids(ctx.cloud.secret("kms-managed"), account, ctx.region)[service]
    return ctx.tx[Key].get(key_id) or _unstored(ctx, account, service, key_id)


def by_id(ctx: Context, key_id: str) -> Key | None:
    """One of the asker's account that has this id, though it may not be stored."""
    for service, known in _ids(ctx.cloud.secret("kms-managed"), ctx.account, ctx.region).items():
        if known == key_id:
            return _unstored(ctx, ctx.account, service, key_id)
    return None


def _unstored(ctx: Context, account: str, service: str, key_id: str) -> Key:
    return Key(
        key_id, account, ctx.region, ctx.now_ms, "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT",
        material(ctx, key_id, 1).hex_id,
        managed=service,
        description=f"Default key that protects my {SERVICES[service]} when no other key is defined",
        aliases=[alias_of(service)],
        policy=policy(account, ctx.region, service),
    )  # fmt: skip


class Derived(msgspec.Struct, frozen=True):
    secret: bytes
    hex_id: str


def material(ctx: Context, key_id: str, version: int) -> Derived:
    """What a version of a managed key encrypts with, and its id."""
    return _derived(ctx.cloud.secret("kms-managed"), key_id, version)


@lru_cache(maxsize=256)
def _derived(secret: bytes, key_id: str, version: int) -> Derived:
    name = f"{key_id}:{version}".encode()
    return Derived(
        hmac.digest(secret, b"material:" + name, "sha256"), hmac.digest(secret, b"name:" + name, "sha256").hex()
    )


@lru_cache(maxsize=256)
def _ids(secret: bytes, account: str, region: str) -> dict[str, str]:
    digests = {
        service: hmac.digest(secret, f"id:{account}:{region}:{service}".encode(), "sha256") for service in SERVICES
    }
    return {service: _uuid(digest.hex()) for service, digest in digests.items()}


def _uuid(digits: str) -> str:
    """In the form of a random one (RFC 9562, version 4)."""
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:32]}"


@lru_cache(maxsize=256)
def policy(account: str, region: str, service: str) -> str:
    """Whoever may use the service may use its key, through the service and within the account."""
    via = f"{_PRINCIPALS.get(service, service)}.{region}.amazonaws.com"
    document = {
        "Version": "2012-10-17",
        "Id": f"auto-{service}-1",
        "Statement": [
            {
                "Sid": f"Allow access through {service} for all principals in the account that are authorized to use it",
                "Effect": "Allow",
                "Principal": {"AWS": "*"},
                "Action": ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
                "Resource": "*",
                "Condition": {"StringEquals": {"kms:CallerAccount": account, "kms:ViaService": via}},
            },
            {
                "Sid": "Allow direct access to key metadata to the account",
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
                "Action": ["kms:Describe*", "kms:Get*", "kms:List*", "kms:RevokeGrant"],
                "Resource": "*",
            },
        ],
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()
