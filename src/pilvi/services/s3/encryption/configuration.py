"""How a bucket's new objects are encrypted when their uploads do not say."""

import msgspec

from pilvi.core.context import Context
from pilvi.core.operation import operation
from pilvi.services.s3.access import find_bucket, on_bucket
from pilvi.services.s3.encryption.wishes import algorithm
from pilvi.services.s3.errors import (
    MalformedXML,
    ServerSideEncryptionConfigurationNotFoundError,
    invalid_argument,
)
from pilvi.services.s3.records import Bucket, Encryption
from pilvi.services.s3.types import (
    DeleteBucketEncryptionRequest,
    GetBucketEncryptionOutput,
    GetBucketEncryptionRequest,
    PutBucketEncryptionRequest,
    ServerSideEncryptionRule,
)

_NAMES = {"s3": "AES256", "kms": "aws:kms"}
_BLOCKABLE = frozenset({"NONE", "SSE-C"})


@operation("PutBucketEncryption", check=on_bucket("s3:PutEncryptionConfiguration"))
def put_bucket_encryption(ctx: Context, req: PutBucketEncryptionRequest) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketEncryption.html"""
    bucket = find_bucket(ctx, req)
    rules = req["ServerSideEncryptionConfiguration"]["Rules"]
    if len(rules) != 1:
        raise MalformedXML
    ctx.tx[Bucket].put(msgspec.structs.replace(bucket, encryption=_encryption(rules[0])))


def _encryption(rule: ServerSideEncryptionRule) -> Encryption:
    blocked = rule.get("BlockedEncryptionTypes", {}).get("EncryptionType", [])
    if not _BLOCKABLE.issuperset(blocked) or len(blocked) > 1:
        raise MalformedXML
    if "ApplyServerSideEncryptionByDefault" not in rule:
        if not blocked:
            raise MalformedXML
        return Encryption("", refuses_customer_keys="SSE-C" in blocked)
    default = rule["ApplyServerSideEncryptionByDefault"]
    if default["SSEAlgorithm"] not in ("AES256", "aws:kms", "aws:kms:dsse"):
        raise MalformedXML
    kind = algorithm(default["SSEAlgorithm"])
    key = default.get("KMSMasterKeyID", "")
    if "KMSMasterKeyID" in default and (kind != "kms" or not key):
        raise invalid_argument(
            "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms", "KMSMasterKeyID", key
        )
    bucket_key = rule.get("BucketKeyEnabled", False) and kind == "kms"
    return Encryption(kind, key, bucket_key=bucket_key, refuses_customer_keys="SSE-C" in blocked)


@operation("GetBucketEncryption", reads=True, check=on_bucket("s3:GetEncryptionConfiguration"))
def get_bucket_encryption(ctx: Context, req: GetBucketEncryptionRequest) -> GetBucketEncryptionOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketEncryption.html"""
    bucket = find_bucket(ctx, req)
    found = bucket.encryption
    if found is None:
        raise ServerSideEncryptionConfigurationNotFoundError(fields={"BucketName": bucket.name})
    rule: ServerSideEncryptionRule = {"BucketKeyEnabled": found.bucket_key}
    if found.kind:
        rule["ApplyServerSideEncryptionByDefault"] = {"SSEAlgorithm": _NAMES[found.kind]}
        if found.key:
            rule["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"] = found.key
    if found.refuses_customer_keys:
        rule["BlockedEncryptionTypes"] = {"EncryptionType": ["SSE-C"]}
    return {"ServerSideEncryptionConfiguration": {"Rules": [rule]}}


@operation("DeleteBucketEncryption", check=on_bucket("s3:PutEncryptionConfiguration"))
def delete_bucket_encryption(ctx: Context, req: DeleteBucketEncryptionRequest) -> None:
    """Back to storing what comes as it comes.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketEncryption.html
    """
    ctx.tx[Bucket].put(msgspec.structs.replace(find_bucket(ctx, req), encryption=None))
