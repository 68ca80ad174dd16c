"""Canned access control lists: names that stand for grants.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#canned-acl
"""

from pilvi.services.s3.acls.rules import AUTHENTICATED, DELIVERY, EVERYBODY, full_control
from pilvi.services.s3.errors import invalid_argument
from pilvi.services.s3.records import Grant

IMAGE_READERS_ID = "6aa5a366c34c1cbe25dc49211496e913e0351eb0e8c37aa3477e40942ec6b97c"
"""The canonical id, the same for everyone on AWS, under which EC2 reads the images of machines."""

BOTH = frozenset({"private", "public-read", "public-read-write", "authenticated-read", "aws-exec-read"})
OF_BUCKETS = BOTH | {"log-delivery-write"}
OF_OBJECTS = BOTH | {"bucket-owner-read", "bucket-owner-full-control"}
_GRANTS = {
    "public-read": (Grant("group", EVERYBODY, "read"),),
    "public-read-write": (Grant("group", EVERYBODY, "read"), Grant("group", EVERYBODY, "write")),
    "authenticated-read": (Grant("group", AUTHENTICATED, "read"),),
    "aws-exec-read": (Grant("user", IMAGE_READERS_ID, "read"),),
    "log-delivery-write": (Grant("group", DELIVERY, "write"), Grant("group", DELIVERY, "read_acl")),
}


def canned_of_bucket(name: str, owner: str) -> tuple[Grant, ...]:
    """What a canned list means for a bucket of the account `owner`. Those for objects alone mean nothing.

    Raises:
        InvalidArgument: there is no such list.
    """
    if name not in OF_BUCKETS | OF_OBJECTS:
        raise invalid_argument("", "x-amz-acl", name)
    return (*_GRANTS.get(name, ()), full_control(owner))


def canned_of_object(name: str, owner: str, bucket_owner: str) -> tuple[Grant, ...]:
    """What a canned list means for an object of the account `owner` in a bucket of the account `bucket_owner`.

    Raises:
        InvalidArgument: there is no such list.
    """
    if name not in OF_OBJECTS:
        raise invalid_argument("", "x-amz-acl", name)
    grants = (*_GRANTS.get(name, ()), full_control(owner))
    if owner != bucket_owner and name == "bucket-owner-full-control":
        return (*grants, full_control(bucket_owner))
    if owner != bucket_owner and name == "bucket-owner-read":
        return (*grants, Grant("user", full_control(bucket_owner).who, "read"))
    return grants
