"""Whether a bucket keeps versions of its objects."""

import msgspec

from pilvi.core.context import Context
from pilvi.core.errors import NotBuilt
from pilvi.core.operation import operation
from pilvi.services.s3.access import find_bucket, on_bucket, refuse
from pilvi.services.s3.errors import MalformedXML, S3Error
from pilvi.services.s3.records import Bucket
from pilvi.services.s3.types import (
    GetBucketVersioningOutput,
    GetBucketVersioningRequest,
    PutBucketVersioningRequest,
)

_WORDS = {"Enabled": "enabled", "Suspended": "suspended"}
_SHOWN = {word: name for name, word in _WORDS.items()}


class IllegalVersioningConfigurationException(S3Error):
    code = "IllegalVersioningConfigurationException"
    text = "The Versioning element must be specified"


class InvalidBucketState(S3Error):
    code = "InvalidBucketState"
    status = 409


@operation("GetBucketVersioning", reads=True, check=on_bucket("s3:GetBucketVersioning"), open=True)
def get_bucket_versioning(ctx: Context, req: GetBucketVersioningRequest) -> GetBucketVersioningOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketVersioning.html"""
    bucket = find_bucket(ctx, req)
    return {"Status": _SHOWN[bucket.versioning]} if bucket.versioning else {}


@operation("PutBucketVersioning", check=on_bucket("s3:PutBucketVersioning"), open=True, bodiless=True)
def put_bucket_versioning(ctx: Context, req: PutBucketVersioningRequest) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketVersioning.html

    Raises:
        IllegalVersioningConfigurationException, MalformedXML: no state that a bucket can have.
        InvalidBucketState: what is built on versions (object lock, replication) needs them.
        NotBuilt: deletes that need a second factor (MFA delete): there are no such devices.
    """
    bucket = find_bucket(ctx, req)
    wanted = req["VersioningConfiguration"]
    if wanted.get("MFADelete", "Disabled") not in ("Enabled", "Disabled"):
        raise MalformedXML
    if wanted.get("MFADelete") == "Enabled":
        raise NotBuilt("MFA delete is not built.")
    refuse(req, frozenset({"MFA"}))
    if "Status" not in wanted:
        raise IllegalVersioningConfigurationException
    if wanted["Status"] not in _WORDS:
        raise MalformedXML
    versioning = _WORDS[wanted["Status"]]
    if versioning == "suspended":
        _check_suspendable(bucket)
    if versioning != bucket.versioning:
        ctx.tx[Bucket].put(msgspec.structs.replace(bucket, versioning=versioning))


def _check_suspendable(bucket: Bucket) -> None:
    for needs, what in ((bucket.locks, "An Object Lock"), (bucket.replicates, "A replication")):
        if needs:
            raise InvalidBucketState(
                f"{what} configuration is present on this bucket, so the versioning state cannot be changed."
            )
