"""How access logs call operations: REST.<method>.<resource>.

AWS publishes no list; these are the words of its documentation and of real logs, and for the rest words of the same make.
"""

import re
from functools import cache

_WORDS = {
    "AbortMultipartUpload": "REST.DELETE.UPLOAD",
    "CompleteMultipartUpload": "REST.POST.UPLOAD",
    "CopyObject": "REST.COPY.OBJECT",
    "CreateBucket": "REST.PUT.BUCKET",
    "CreateMultipartUpload": "REST.POST.UPLOADS",
    "DeleteBucket": "REST.DELETE.BUCKET",
    "DeleteBucketPolicy": "REST.DELETE.BUCKETPOLICY",
    "DeleteObjects": "REST.POST.MULTI_OBJECT_DELETE",
    "GetBucketAccelerateConfiguration": "REST.GET.ACCELERATE",
    "GetBucketPolicy": "REST.GET.BUCKETPOLICY",
    "GetBucketPolicyStatus": "REST.GET.POLICY_STATUS",
    "GetBucketLogging": "REST.GET.LOGGING_STATUS",
    "GetBucketLifecycleConfiguration": "REST.GET.LIFECYCLE",
    "GetBucketNotificationConfiguration": "REST.GET.NOTIFICATION",
    "GetObjectAcl": "REST.GET.ACL",
    "HeadBucket": "REST.HEAD.BUCKET",
    "HeadObject": "REST.HEAD.OBJECT",
    "ListMultipartUploads": "REST.GET.UPLOADS",
    "ListObjectVersions": "REST.GET.BUCKETVERSIONS",
    "ListObjects": "REST.GET.BUCKET",
    "ListObjectsV2": "REST.GET.BUCKET",
    "ListParts": "REST.GET.UPLOAD",
    "PostObject": "REST.POST.OBJECT",
    "PutBucketLifecycleConfiguration": "REST.PUT.LIFECYCLE",
    "PutBucketLogging": "REST.PUT.LOGGING_STATUS",
    "PutBucketNotificationConfiguration": "REST.PUT.NOTIFICATION",
    "PutBucketPolicy": "REST.PUT.BUCKETPOLICY",
    "PutObjectAcl": "REST.PUT.ACL",
    "UploadPart": "REST.PUT.PART",
    "UploadPartCopy": "REST.COPY.PART",
}
WEBSITE = "GetWebsite"
_COPIED = {"CopyObject": "REST.COPY.OBJECT_GET", "UploadPartCopy": "REST.COPY.PART_GET"}
_WHOLE = frozenset({"REST.GET.OBJECT", "REST.HEAD.OBJECT", "WEBSITE.GET.OBJECT", "WEBSITE.HEAD.OBJECT"})
_MADE = frozenset({"REST.PUT.OBJECT", "REST.PUT.PART", "REST.POST.OBJECT"})
_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")


def seen_word(operation: str, method: str) -> str:
    """What a request is called: websites are no operations of the API."""
    return f"WEBSITE.{method}.OBJECT" if operation == WEBSITE else operation_word(operation)


@cache
def operation_word(operation: str) -> str:
    """REST.GET.VERSIONING for GetBucketVersioning."""
    known = _WORDS.get(operation)
    if known is not None:
        return known
    method, _, rest = _CAPITAL.sub(" ", operation).partition(" ")
    resource = "_".join(rest.removeprefix("Bucket ").split()).upper()
    return f"REST.{method.upper()}.{resource}"


def copied_word(operation: str) -> str:
    """The same operation in the log of the bucket that it copies out of."""
    return _COPIED.get(operation, "REST.COPY.OBJECT_GET")


def shows_size(word: str) -> bool:
    """Whether its answer tells how large the object is."""
    return word in _WHOLE


def brings_size(word: str) -> bool:
    """Whether its request does."""
    return word in _MADE
