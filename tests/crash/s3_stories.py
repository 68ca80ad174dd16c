"""What happens to object storage while its process is killed. A story is told from its beginning, which nobody breaks.

begin   makes what the story needs; its values (JSON) are what the story knows
tell    goes on from there, one transaction after the other; always the same, for the same beginning
"""

from __future__ import annotations

import contextlib
from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from unittest import mock

import aging
import replicating
from pilvi.services.s3.multipart import complete
from pilvi.state.stage import INLINE_BYTES_MAX
from s3kit import Buckets, digest

Known = dict[str, Any]
BUCKET = aging.BUCKET
SMALL, LARGE = b"small", b"large" * (INLINE_BYTES_MAX // 4)
PARTS = 100
KEY = bytes(range(32))


class Story(NamedTuple):
    begin: Callable[[Buckets], Known]
    tell: Callable[[Buckets, Known], None]


@contextlib.contextmanager
def small_parts() -> Iterator[None]:
    """Parts may be of any size."""
    with mock.patch.object(complete, "PART_BYTES_MIN", 1):
        yield


def bucket(s3: Buckets, name: str = BUCKET, status: str = "") -> None:
    s3.s3("CreateBucket", Bucket=name)
    if status:
        suspend_or_enable(s3, status, name)


def suspend_or_enable(s3: Buckets, status: str, name: str = BUCKET) -> None:
    s3.s3("PutBucketVersioning", Bucket=name, VersioningConfiguration={"Status": status})


def upload(s3: Buckets, key: str, bodies: list[bytes], **request: Any) -> Known:
    """An upload whose parts have come."""
    number = s3.s3("CreateMultipartUpload", Bucket=BUCKET, Key=key, **request)["UploadId"]
    customer = {name: text for name, text in request.items() if "Customer" in name}
    etags = [s3.part(BUCKET, key, number, at, body, **customer)["ETag"] for at, body in enumerate(bodies, 1)]
    return {"key": key, "upload": number, "etags": etags}


def finish(s3: Buckets, known: Known, **more: Any) -> None:
    named = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(known["etags"], 1)]
    place = {"Bucket": BUCKET, "Key": known["key"], "UploadId": known["upload"]}
    s3.s3("CompleteMultipartUpload", **place, MultipartUpload={"Parts": named}, **more)


def remove(s3: Buckets, key: str, **more: Any) -> Any:
    return s3.s3("DeleteObject", Bucket=BUCKET, Key=key, **more)


def copy(s3: Buckets, source: str, key: str, **more: Any) -> None:
    s3.s3("CopyObject", Bucket=BUCKET, Key=key, CopySource=f"{BUCKET}/{source}", **more)


# -- versions ----------------------------------------------------------------------------------------------------------


def begin_versions(s3: Buckets) -> Known:
    bucket(s3)
    s3.put(BUCKET, "a", SMALL)
    suspend_or_enable(s3, "Enabled")
    return {}


def tell_versions(s3: Buckets, known: Known) -> None:
    """Written, marked, promoted again: large and small, before, with and after versions."""
    first = s3.put(BUCKET, "a", LARGE)["VersionId"]
    second = s3.put(BUCKET, "a", LARGE[::-1], ServerSideEncryption="AES256")["VersionId"]
    marker = remove(s3, "a")["VersionId"]
    remove(s3, "a", VersionId=marker)  # the second moves up
    remove(s3, "a", VersionId=second)  # the first moves up
    s3.s3("PutObjectTagging", Bucket=BUCKET, Key="a", Tagging={"TagSet": [{"Key": "t", "Value": "1"}]})
    suspend_or_enable(s3, "Suspended")
    s3.put(BUCKET, "a", LARGE[:-1])  # instead of the null version, which is behind
    remove(s3, "a")
    remove(s3, "a", VersionId=first)


def tell_batches(s3: Buckets, known: Known) -> None:
    """Many at once: markers, versions, what is not there."""
    first = s3.put(BUCKET, "a", LARGE)["VersionId"]
    s3.put(BUCKET, "b", LARGE)
    wanted: list[Known] = [
        {"Key": "a"},
        {"Key": "b"},
        {"Key": "a", "VersionId": first},
        {"Key": "c"},
        {"Key": "a", "VersionId": "null"},
    ]
    s3.s3("DeleteObjects", Bucket=BUCKET, Delete={"Objects": wanted})


# -- uploads in parts --------------------------------------------------------------------------------------------------


def begin_parts(s3: Buckets) -> Known:
    bucket(s3, status="Enabled")
    s3.put(BUCKET, "a", LARGE)
    return {}


def tell_parts(s3: Buckets, known: Known) -> None:
    """Begun, a part replaced, completed over what was there; another one aborted; a sealed one."""
    one = upload(s3, "a", [LARGE, SMALL, LARGE])
    one["etags"][1] = s3.part(BUCKET, "a", one["upload"], 2, LARGE[::-1])["ETag"]
    one["etags"].pop()  # a part that is not named goes
    finish(s3, one)
    other = upload(s3, "b", [LARGE], ServerSideEncryption="AES256")
    s3.s3("AbortMultipartUpload", Bucket=BUCKET, Key="b", UploadId=other["upload"])
    finish(s3, upload(s3, "b", [SMALL, LARGE], ServerSideEncryption="AES256"))
    remove(s3, "a")


def begin_many_parts(s3: Buckets) -> Known:
    bucket(s3, status="Enabled")
    s3.put(BUCKET, "a", LARGE)
    return upload(s3, "a", [LARGE if number % 50 == 0 else bytes([number]) for number in range(PARTS)])


def tell_many_parts(s3: Buckets, known: Known) -> None:
    """A hundred parts become an object, which goes for good."""
    finish(s3, known)
    (version,) = [
        entry["VersionId"] for entry in s3.s3("ListObjectVersions", Bucket=BUCKET)["Versions"] if entry["IsLatest"]
    ]
    remove(s3, "a", VersionId=version)


# -- copies ------------------------------------------------------------------------------------------------------------


def begin_copies(s3: Buckets) -> Known:
    bucket(s3)
    s3.put(BUCKET, "plain", LARGE)
    s3.put(BUCKET, "sealed", LARGE, ServerSideEncryption="AES256")
    s3.put(BUCKET, "customer", LARGE, **customer())
    finish(s3, upload(s3, "parts", [LARGE, SMALL]))
    return {}


def customer(prefix: str = "") -> dict[str, str]:
    """A key that requests bring along."""
    return {
        f"{prefix}SSECustomerAlgorithm": "AES256",
        f"{prefix}SSECustomerKey": b64encode(KEY).decode(),
        f"{prefix}SSECustomerKeyMD5": b64encode(digest("md5", KEY)).decode(),
    }


def tell_copies(s3: Buckets, known: Known) -> None:
    """Shared, and read again: to be sealed, opened, sealed otherwise, made one piece; over what was there."""
    copy(s3, "plain", "shared")
    copy(s3, "plain", "a", ServerSideEncryption="AES256")
    copy(s3, "sealed", "a")
    copy(s3, "customer", "a", **customer("CopySource"))
    copy(s3, "parts", "a", **customer())
    copy(s3, "parts", "parts", MetadataDirective="REPLACE", Metadata={"a": "1"})
    remove(s3, "plain")
    number = s3.s3("CreateMultipartUpload", Bucket=BUCKET, Key="a", ServerSideEncryption="AES256")["UploadId"]
    place = {"Bucket": BUCKET, "Key": "a", "UploadId": number}
    etags = []
    for at, source in enumerate(("shared", "sealed"), 1):
        found = s3.s3(
            "UploadPartCopy", **place, PartNumber=at, CopySource=f"{BUCKET}/{source}", CopySourceRange="bytes=0-299999"
        )
        etags.append(found["CopyPartResult"]["ETag"])
    finish(s3, {"key": "a", "upload": number, "etags": etags})
    remove(s3, "shared")


# -- what happens by itself --------------------------------------------------------------------------------------------


def begin_lifecycle(s3: Buckets) -> Known:
    bucket(s3, status="Enabled")
    for key in ("old/a", "old/b"):
        for body in (LARGE, SMALL, LARGE):
            s3.put(BUCKET, key, body)
    remove(s3, "old/b")
    s3.put(BUCKET, "kept", LARGE)
    upload(s3, "old/c", [LARGE, SMALL])
    rule = {
        "Filter": {"Prefix": "old/"},
        "Expiration": {"Days": 1},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
    }
    cold = {"Filter": {"Prefix": "kept"}, "Transitions": [{"Days": 1, "StorageClass": "GLACIER"}]}
    aging.rules(s3, rule, cold)
    return {}


def tell_lifecycle(s3: Buckets, known: Known) -> None:
    """Four days of rules; what they moved to an archive is restored."""
    aging.pass_days(s3, 4)
    s3.s3("RestoreObject", Bucket=BUCKET, Key="kept", RestoreRequest={"Days": 1})
    s3.s3("RestoreObject", Bucket=BUCKET, Key="kept", RestoreRequest={"Days": 3})
    aging.pass_days(s3, 1)


def begin_replication(s3: Buckets) -> Known:
    replicating.begin(s3)
    default = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    s3.s3("PutBucketEncryption", Bucket=replicating.COPY, ServerSideEncryptionConfiguration={"Rules": [default]})
    replicating.replicate(s3, replicating.rule())
    return {}


def tell_replication(s3: Buckets, known: Known) -> None:
    """Written, changed, marked: and delivered, shared or sealed anew."""
    source = replicating.SOURCE
    s3.put(source, "a", LARGE)
    s3.put(source, "b", LARGE, ServerSideEncryption="AES256")
    replicating.deliver_all(s3)
    s3.s3("PutObjectTagging", Bucket=source, Key="a", Tagging={"TagSet": [{"Key": "t", "Value": "1"}]})
    s3.s3("DeleteObject", Bucket=source, Key="b")
    replicating.deliver_all(s3)


STORIES = {
    "batches": Story(begin_versions, tell_batches),
    "copies": Story(begin_copies, tell_copies),
    "lifecycle": Story(begin_lifecycle, tell_lifecycle),
    "many parts": Story(begin_many_parts, tell_many_parts),
    "parts": Story(begin_parts, tell_parts),
    "replication": Story(begin_replication, tell_replication),
    "versions": Story(begin_versions, tell_versions),
}
