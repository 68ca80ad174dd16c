"""Access control lists and object ownership: who may do what, decided by the real policy engine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import ACCOUNT
from iam_harness import ADMIN, IamHarness
from pilvi import services
from pilvi.core import caller as callers
from pilvi.core.accounts import ANONYMOUS_ID, account_of, canonical_id
from pilvi.core.caller import ANONYMOUS, Caller
from pilvi.core.errors import AccessDenied, CloudError
from pilvi.services.s3 import errors
from pilvi.services.s3.acls.canned import IMAGE_READERS_ID
from pilvi.services.s3.records import Bucket, StoredObject
from s3kit import Buckets

OTHER = "111111111111"
OWNER, STRANGER = callers.root(ACCOUNT), callers.root(OTHER)
OWNER_ID, OTHER_ID = canonical_id(ACCOUNT), canonical_id(OTHER)
EVERYBODY = "http://acs.amazonaws.com/groups/global/AllUsers"
AUTHENTICATED = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
DELIVERY = "http://acs.amazonaws.com/groups/s3/LogDelivery"
OPEN = {"BlockPublicAcls": False, "IgnorePublicAcls": False, "BlockPublicPolicy": False, "RestrictPublicBuckets": False}


class Guarded(IamHarness, Buckets):
    """Buckets behind the real policy engine. A bucket "photos" where lists count, an object "a" in it."""

    def as_(self, caller: Caller, operation: str, /, **request: Any) -> Any:
        owner, self.caller = self.caller, caller
        try:
            if operation in ("PutObject", "UploadPart"):
                self.authorise_upload(operation, request)
                return self.upload(operation, request.pop("Body", b"data"), **request)
            return self.s3(operation, **request)
        finally:
            self.caller = owner

    def authorise_upload(self, operation: str, request: dict[str, Any]) -> None:
        with self.store.read() as tx:
            self.authorise(self.context(tx), "s3", services.discover()["s3"].operations[operation], request)

    def allows(self, caller: Caller, operation: str, /, **request: Any) -> bool:
        try:
            self.as_(caller, operation, **{"Bucket": "photos", **request})
        except AccessDenied:
            return False
        return True

    def grants(self, key: str = "", **more: Any) -> set[tuple[str, str]]:
        """(grantee's id or URI, permission) of a list."""
        named = {"Bucket": "photos", **({"Key": key} if key else {}), **more}
        shown = self.s3("GetObjectAcl" if key else "GetBucketAcl", **named)["Grants"]
        return {(grant["Grantee"].get("ID") or grant["Grantee"]["URI"], grant["Permission"]) for grant in shown}

    def policy(self, *statements: dict[str, Any]) -> None:
        text = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        self.s3("PutBucketPolicy", Bucket="photos", Policy=text)

    def ownership(self, name: str) -> None:
        rules = [{"ObjectOwnership": name}]
        self.s3("PutBucketOwnershipControls", Bucket="photos", OwnershipControls={"Rules": rules})


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[Guarded]:
    with Guarded(tmp_path) as cloud:
        cloud.user("admin", account=OTHER)
        cloud.run_as(STRANGER, "iam", "AttachUserPolicy", UserName="admin", PolicyArn=ADMIN)
        cloud.s3("CreateBucket", Bucket="photos", ObjectOwnership="ObjectWriter")
        cloud.s3("DeletePublicAccessBlock", Bucket="photos")
        cloud.put("photos", "a", b"data")
        yield cloud


def statement(effect: str, action: str, principal: Any = "*", **more: Any) -> dict[str, Any]:
    resource = ["arn:aws:s3:::photos", "arn:aws:s3:::photos/*"]
    return {"Effect": effect, "Action": action, "Principal": principal, "Resource": resource, **more}


def listed(*grants: tuple[str, str], owner: str = OWNER_ID) -> dict[str, Any]:
    """An AccessControlPolicy."""
    return {
        "Owner": {"ID": owner},
        "Grants": [
            {
                "Grantee": {"Type": "Group", "URI": who} if "://" in who else {"Type": "CanonicalUser", "ID": who},
                "Permission": permission,
            }
            for who, permission in grants
        ],
    }


# -- canonical ids -----------------------------------------------------------------------------------------------------


def test_canonical_ids_tell_their_account() -> None:
    """64 hexadecimal digits, different for each account, that lead back to it; other texts lead nowhere."""
    accounts = ["000000000000", "999999999999", *(f"{7919 * number:012d}" for number in range(200))]
    ids = {canonical_id(account): account for account in accounts}
    assert len(ids) == len(set(accounts))
    for text, account in ids.items():
        assert len(text) == 64
        assert account_of(text) == account
        assert account_of(text[:-1] + ("0" if text[-1] != "0" else "1")) == ""
    assert account_of("") == account_of("x" * 64) == account_of(canonical_id(ACCOUNT).upper()) == ""


def test_grants_are_to_accounts_in_which_somebody_is(s3: Guarded) -> None:
    """A key of its root, a user or a role makes an account one that can be granted something."""
    grant = {"Bucket": "photos", "GrantRead": f"id={canonical_id('333333333333')}"}
    with pytest.raises(errors.InvalidArgument):
        s3.s3("PutBucketAcl", **grant)
    trust = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    third = callers.root("333333333333")
    s3.run_as(third, "iam", "CreateRole", RoleName="r", AssumeRolePolicyDocument=document)
    s3.s3("PutBucketAcl", **grant)
    s3.run_as(third, "iam", "DeleteRole", RoleName="r")
    with pytest.raises(errors.InvalidArgument):
        s3.s3("PutBucketAcl", **grant)


# -- what a permission allows ------------------------------------------------------------------------------------------

ON_BUCKET = {
    "ListObjectsV2": {},
    "ListObjects": {},
    "ListObjectVersions": {},
    "ListMultipartUploads": {},
    "HeadBucket": {},
    "PutObject": {"Key": "new"},
    "CreateMultipartUpload": {"Key": "new"},
    "GetBucketAcl": {},
    "PutBucketAcl": {"ACL": "private"},
    "GetBucketTagging": {},
    "GetBucketPolicy": {},
    "DeleteBucket": {},
}
ON_OBJECT = {
    "GetObject": {},
    "HeadObject": {},
    "GetObjectAcl": {},
    "PutObjectAcl": {"ACL": "private"},
    "PutObject": {},
    "DeleteObject": {},
    "GetObjectTagging": {},
    "GetObjectAttributes": {"ObjectAttributes": ["ETag"]},
}
ITS_BUSINESS = {"PutObject", "DeleteObject", "GetObjectTagging"}  # of a bucket's owner, whosever the object is
LISTS = {"ListObjectsV2", "ListObjects", "ListObjectVersions", "ListMultipartUploads", "HeadBucket"}
MAKES = {"PutObject", "CreateMultipartUpload"}


@pytest.mark.parametrize(
    ("permission", "operations"),
    [
        ("READ", LISTS),
        ("WRITE", MAKES),
        ("READ_ACP", {"GetBucketAcl"}),
        ("WRITE_ACP", {"PutBucketAcl"}),
        ("FULL_CONTROL", {*LISTS, *MAKES, "GetBucketAcl", "PutBucketAcl"}),
    ],
)
def test_what_a_grant_on_a_bucket_allows(s3: Guarded, permission: str, operations: set[str]) -> None:
    """Just the operations of AWS's table; nothing else of the bucket, and nothing of the objects in it."""
    policy = listed((OWNER_ID, "FULL_CONTROL"), (OTHER_ID, permission))
    allowed = set()
    for operation, more in ON_BUCKET.items():
        s3.s3("PutBucketAcl", Bucket="photos", AccessControlPolicy=policy)
        if s3.allows(STRANGER, operation, **more):
            allowed.add(operation)
    assert allowed == operations
    for operation in ("GetObject", "GetObjectAcl", "PutObjectAcl"):
        assert not s3.allows(STRANGER, operation, Key="a", **({"ACL": "private"} if "Put" in operation else {}))


@pytest.mark.parametrize(
    ("permission", "operations"),
    [
        ("READ", {"GetObject", "HeadObject"}),
        ("WRITE", set()),
        ("READ_ACP", {"GetObjectAcl"}),
        ("WRITE_ACP", {"PutObjectAcl"}),
        ("FULL_CONTROL", {"GetObject", "HeadObject", "GetObjectAcl", "PutObjectAcl"}),
    ],
)
def test_what_a_grant_on_an_object_allows(s3: Guarded, permission: str, operations: set[str]) -> None:
    """Just the operations of AWS's table; objects are replaced and deleted by who may write to the bucket."""
    policy = listed((OWNER_ID, "FULL_CONTROL"), (OTHER_ID, permission))
    allowed = set()
    for operation, more in ON_OBJECT.items():
        s3.s3("PutObjectAcl", Bucket="photos", Key="a", AccessControlPolicy=policy)
        if s3.allows(STRANGER, operation, Key="a", **more):
            allowed.add(operation)
    assert allowed == operations


def test_grants_are_to_an_account_whose_own_policies_must_allow_too(s3: Guarded) -> None:
    """The root and users with a policy may; a user without one may not."""
    s3.s3("PutObjectAcl", Bucket="photos", Key="a", GrantRead=f"id={OTHER_ID}")
    admin = s3.user("second", {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}, account=OTHER)
    assert s3.allows(STRANGER, "GetObject", Key="a")
    assert s3.allows(admin, "GetObject", Key="a")
    assert not s3.allows(s3.user("nobody", account=OTHER), "GetObject", Key="a")
    assert not s3.allows(callers.root("222222222222"), "GetObject", Key="a")


def test_what_the_owner_gives_itself_is_for_its_own_policies_to_give(s3: Guarded) -> None:
    """A user of the owning account needs a policy, unless everybody is granted it; then no policy is needed."""
    nobody = s3.user("nobody")
    s3.s3("PutObjectAcl", Bucket="photos", Key="a", GrantRead=f"id={OWNER_ID}")
    assert not s3.allows(nobody, "GetObject", Key="a")
    s3.s3("PutObjectAcl", Bucket="photos", Key="a", ACL="public-read")
    assert s3.allows(nobody, "GetObject", Key="a")
    s3.s3("PutBucketAcl", Bucket="photos", ACL="public-read-write")
    assert s3.allows(nobody, "PutObject", Key="b")
    assert not s3.allows(nobody, "PutObject", Key="b", ACL="private")
    assert not s3.allows(nobody, "PutObject", Key="b", Tagging="a=b")
    assert not s3.allows(s3.user("nobody", account=OTHER), "GetObject", Key="a")
    writer = s3.user("writer", {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}, account=OTHER)
    assert s3.allows(writer, "PutObject", Key="theirs")
    assert not s3.allows(writer, "PutObject", Key="theirs", ACL="private")
    for writer in (STRANGER, ANONYMOUS):
        assert s3.allows(writer, "PutObject", Key="theirs", ACL="private")
        assert not s3.allows(writer, "PutObject", Key="theirs", ACL="private", Tagging="a=b")
    s3.policy(statement("Allow", "s3:PutObjectTagging"))
    for writer in (STRANGER, ANONYMOUS):
        assert s3.allows(writer, "PutObject", Key="theirs", ACL="private", Tagging="a=b")


def test_grants_to_groups(s3: Guarded) -> None:
    """Everybody is everybody; the authenticated are who has an account; log delivery is a service."""
    s3.s3("PutObjectAcl", Bucket="photos", Key="a", ACL="authenticated-read")
    assert s3.allows(STRANGER, "GetObject", Key="a")
    assert not s3.allows(ANONYMOUS, "GetObject", Key="a")
    s3.s3("PutObjectAcl", Bucket="photos", Key="a", ACL="public-read")
    assert s3.allows(ANONYMOUS, "GetObject", Key="a")
    s3.s3("PutBucketAcl", Bucket="photos", ACL="log-delivery-write")
    logging = callers.service("logging.s3.amazonaws.com", OTHER)
    assert s3.allows(logging, "PutObject", Key="log")
    assert s3.allows(logging, "GetBucketAcl")
    assert owner_of(s3, "log") == ACCOUNT
    other_service = callers.service("sns.amazonaws.com", OTHER)
    for other in (STRANGER, ANONYMOUS, other_service):
        assert not s3.allows(other, "PutObject", Key="log")
    s3.s3("PutBucketAcl", Bucket="photos", GrantWrite=f"id={OTHER_ID}, uri={EVERYBODY}")
    assert not s3.allows(other_service, "PutObject", Key="log")


def test_absent_objects_are_shown_as_absent_to_who_may_list(s3: Guarded) -> None:
    """NoSuchKey where the bucket's list grants reading it, AccessDenied elsewhere."""
    assert not s3.allows(ANONYMOUS, "GetObject", Key="absent")
    s3.s3("PutBucketAcl", Bucket="photos", ACL="public-read")
    with pytest.raises(errors.NoSuchKey):
        s3.as_(ANONYMOUS, "GetObject", Bucket="photos", Key="absent")
    assert not s3.allows(STRANGER, "PutObjectAcl", Key="absent", ACL="private")


# -- lists and policies ------------------------------------------------------------------------------------------------


def test_a_deny_beats_every_grant(s3: Guarded) -> None:
    """Of the bucket's policy, for everyone, the account that owns the object included."""
    s3.s3("PutBucketAcl", Bucket="photos", ACL="public-read-write")
    s3.as_(STRANGER, "PutObject", Bucket="photos", Key="theirs", ACL="public-read")
    s3.policy(statement("Deny", "s3:GetObject"))
    for caller in (STRANGER, ANONYMOUS, OWNER):
        assert not s3.allows(caller, "GetObject", Key="theirs")
    assert s3.allows(STRANGER, "ListObjectsV2")


def test_a_policy_cannot_give_what_is_somebody_elses(s3: Guarded) -> None:
    """The bucket's policy opens objects of the bucket's owner, not those that another account owns."""
    s3.s3("PutBucketAcl", Bucket="photos", GrantWrite=f"id={OTHER_ID}")
    s3.as_(STRANGER, "PutObject", Bucket="photos", Key="theirs")
    s3.policy(statement("Allow", "s3:*"))
    assert s3.allows(ANONYMOUS, "GetObject", Key="a")
    assert not s3.allows(ANONYMOUS, "GetObject", Key="theirs")
    assert not s3.allows(OWNER, "GetObject", Key="theirs")
    assert s3.allows(STRANGER, "GetObject", Key="theirs")
    assert not s3.allows(s3.user("nobody", account=OTHER), "GetObject", Key="theirs")


def test_what_a_buckets_owner_may_do_to_others_objects(s3: Guarded) -> None:
    """Delete, replace and tag them; read them, and see and change their lists, only when granted."""
    s3.s3("PutBucketAcl", Bucket="photos", GrantWrite=f"id={OTHER_ID}")
    for key in ("one", "two"):
        s3.as_(STRANGER, "PutObject", Bucket="photos", Key=key)
    for operation, more in ON_OBJECT.items():
        assert s3.allows(OWNER, operation, Key="one", **more) == (operation in ITS_BUSINESS), operation
        s3.as_(STRANGER, "PutObject", Bucket="photos", Key="one")
    s3.as_(STRANGER, "PutObjectAcl", Bucket="photos", Key="two", ACL="bucket-owner-read")
    assert s3.allows(OWNER, "GetObject", Key="two")
    assert not s3.allows(OWNER, "GetObjectAcl", Key="two")


def test_writers_delete_only_what_is_theirs(s3: Guarded) -> None:
    """A grant to write to the bucket lets an account delete its own objects in it, and replace any."""
    s3.s3("PutBucketAcl", Bucket="photos", GrantWrite=f"id={OTHER_ID}")
    assert not s3.allows(STRANGER, "DeleteObject", Key="a")
    assert s3.allows(STRANGER, "PutObject", Key="a")
    assert s3.allows(STRANGER, "DeleteObject", Key="a")
    s3.put("photos", "a")
    answer = s3.as_(STRANGER, "DeleteObjects", Bucket="photos", Delete={"Objects": [{"Key": "a"}, {"Key": "new"}]})
    assert [error["Key"] for error in answer["Errors"]] == ["a"]
    assert [deleted["Key"] for deleted in answer["Deleted"]] == ["new"]


def test_policies_name_accounts_by_their_canonical_ids(s3: Guarded) -> None:
    """A CanonicalUser principal is the account that has the id."""
    s3.policy(statement("Allow", "s3:GetObject", {"CanonicalUser": OTHER_ID}))
    assert s3.allows(STRANGER, "GetObject", Key="a")
    assert not s3.allows(callers.root("222222222222"), "GetObject", Key="a")


def test_policies_know_whose_an_object_is(s3: Guarded) -> None:
    """s3:ResourceAccount is the account that owns what is asked for."""
    s3.s3("PutBucketAcl", Bucket="photos", GrantWrite=f"id={OTHER_ID}")
    s3.as_(STRANGER, "PutObject", Bucket="photos", Key="theirs")
    not_mine = {"StringNotEquals": {"s3:ResourceAccount": ACCOUNT}}
    s3.policy(statement("Deny", "s3:GetObject", Condition=not_mine))
    assert s3.allows(OWNER, "GetObject", Key="a")
    assert not s3.allows(STRANGER, "GetObject", Key="theirs")


@pytest.mark.parametrize(
    ("request_", "key", "value"),
    [
        ({"ACL": "private"}, "s3:x-amz-acl", "private"),
        ({"GrantRead": f"id={OTHER_ID}"}, "s3:x-amz-grant-read", f"id={OTHER_ID}"),
        ({"GrantWrite": f"id={OTHER_ID}"}, "s3:x-amz-grant-write", f"id={OTHER_ID}"),
        ({"GrantReadACP": f"id={OTHER_ID}"}, "s3:x-amz-grant-read-acp", f"id={OTHER_ID}"),
        ({"GrantWriteACP": f"id={OTHER_ID}"}, "s3:x-amz-grant-write-acp", f"id={OTHER_ID}"),
        ({"GrantFullControl": f"id={OTHER_ID}"}, "s3:x-amz-grant-full-control", f"id={OTHER_ID}"),
    ],
)
def test_policies_see_the_list_of_a_request(s3: Guarded, request_: dict[str, str], key: str, value: str) -> None:
    """As the headers say it: whatever makes or changes buckets and objects is refused by a policy that names it."""
    s3.policy(statement("Deny", "s3:*", Condition={"StringEquals": {key: value}}))
    for operation, more in (
        ("PutObject", {"Key": "a"}),
        ("CreateMultipartUpload", {"Key": "a"}),
        ("CopyObject", {"Key": "b", "CopySource": "photos/a"}),
        ("PutObjectAcl", {"Key": "a"}),
        ("PutBucketAcl", {}),
    ):
        assert not s3.allows(OWNER, operation, **more, **request_), operation
    assert s3.allows(OWNER, "PutObject", Key="a")


# -- what requests say -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("acl", "of_bucket", "of_object"),
    [
        ("private", set(), set()),
        ("public-read", {(EVERYBODY, "READ")}, {(EVERYBODY, "READ")}),
        ("public-read-write", {(EVERYBODY, "READ"), (EVERYBODY, "WRITE")}, {(EVERYBODY, "READ"), (EVERYBODY, "WRITE")}),
        ("authenticated-read", {(AUTHENTICATED, "READ")}, {(AUTHENTICATED, "READ")}),
        ("aws-exec-read", {(IMAGE_READERS_ID, "READ")}, {(IMAGE_READERS_ID, "READ")}),
        ("log-delivery-write", {(DELIVERY, "WRITE"), (DELIVERY, "READ_ACP")}, None),
        ("bucket-owner-read", set(), {(OWNER_ID, "READ")}),
        ("bucket-owner-full-control", set(), {(OWNER_ID, "FULL_CONTROL")}),
        ("public-write", None, None),
    ],
)
def test_canned_lists(s3: Guarded, acl: str, of_bucket: set[Any] | None, of_object: set[Any] | None) -> None:
    """The owner's full control and what the name says; a bucket ignores those that are for objects alone."""
    s3.s3("PutBucketAcl", Bucket="photos", ACL="public-read-write")
    theirs = {"Bucket": "photos", "Key": "theirs", "ACL": acl}
    if of_object is None:
        with pytest.raises(errors.InvalidArgument):
            s3.as_(STRANGER, "PutObject", **theirs)
    else:
        s3.as_(STRANGER, "PutObject", **theirs)
        shown = s3.as_(STRANGER, "GetObjectAcl", Bucket="photos", Key="theirs")
        assert shown["Owner"] == {"ID": OTHER_ID}
        found = {(one["Grantee"].get("ID") or one["Grantee"]["URI"], one["Permission"]) for one in shown["Grants"]}
        assert found == {(OTHER_ID, "FULL_CONTROL"), *of_object}
    if of_bucket is None:
        with pytest.raises(errors.InvalidArgument):
            s3.s3("PutBucketAcl", Bucket="photos", ACL=acl)
    else:
        s3.s3("PutBucketAcl", Bucket="photos", ACL=acl)
        assert s3.grants() == {(OWNER_ID, "FULL_CONTROL"), *of_bucket}


@pytest.mark.parametrize(
    ("text", "grantees"),
    [
        (f"id={OTHER_ID}", {OTHER_ID}),
        (f'id="{OTHER_ID}"', {OTHER_ID}),
        (f'id="{OTHER_ID}", uri="{EVERYBODY}"', {OTHER_ID, EVERYBODY}),
        (f" ID = {OTHER_ID} ,URI={AUTHENTICATED}", {OTHER_ID, AUTHENTICATED}),
        (f"id={ANONYMOUS_ID}", {ANONYMOUS_ID}),
    ],
)
def test_grants_in_headers(s3: Guarded, text: str, grantees: set[str]) -> None:
    """type=value, with quotes or without, divided by commas; the list is just what they say."""
    s3.s3("PutObjectAcl", Bucket="photos", Key="a", GrantReadACP=text)
    assert s3.grants("a") == {(grantee, "READ_ACP") for grantee in grantees}


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"GrantRead": ""}, "InvalidArgument"),
        ({"GrantRead": OTHER_ID}, "InvalidArgument"),
        ({"GrantRead": f"id={OTHER_ID},"}, "InvalidArgument"),
        ({"GrantRead": f"id={OTHER_ID} id={OWNER_ID}"}, "InvalidArgument"),
        ({"GrantRead": f'id="{OTHER_ID}'}, "InvalidArgument"),
        ({"GrantRead": "id=abc"}, "InvalidArgument"),
        ({"GrantRead": f"id={canonical_id('222222222222')}"}, "InvalidArgument"),
        ({"GrantRead": "uri=http://acs.amazonaws.com/groups/global/Nobody"}, "InvalidArgument"),
        ({"GrantRead": "emailAddress=a@example.com"}, "UnresolvableGrantByEmailAddress"),
        ({"GrantRead": f"id={OTHER_ID}", "ACL": "private"}, "InvalidRequest"),
        ({"ACL": "private", "AccessControlPolicy": listed()}, "UnexpectedContent"),
        ({}, "MissingSecurityHeader"),
        ({"AccessControlPolicy": {}}, "MalformedACLError"),
        ({"AccessControlPolicy": {"Owner": {"ID": OWNER_ID}}}, "MalformedACLError"),
        ({"AccessControlPolicy": {"Grants": []}}, "MalformedACLError"),
        ({"AccessControlPolicy": listed((OTHER_ID, "OWN"))}, "MalformedACLError"),
        ({"AccessControlPolicy": listed(*[(OTHER_ID, "READ")] * 101)}, "MalformedACLError"),
        ({"AccessControlPolicy": listed(owner=OTHER_ID)}, "AccessDenied"),
        ({"AccessControlPolicy": listed(("f" * 64, "READ"))}, "InvalidArgument"),
        ({"AccessControlPolicy": listed(("http://example.com/", "READ"))}, "InvalidArgument"),
    ],
)
def test_lists_that_cannot_be(s3: Guarded, request_: dict[str, Any], code: str) -> None:
    """Each has S3's error, for buckets and objects alike, and nothing is changed."""
    for operation, more in (("PutBucketAcl", {}), ("PutObjectAcl", {"Key": "a"})):
        with pytest.raises(CloudError) as failed:
            s3.s3(operation, Bucket="photos", **more, **request_)
        assert failed.value.code == code
    assert s3.grants() == s3.grants("a") == {(OWNER_ID, "FULL_CONTROL")}


@pytest.mark.parametrize(
    "grantee",
    [
        {"Type": "Group", "ID": OTHER_ID},
        {"Type": "CanonicalUser", "URI": EVERYBODY},
        {"Type": "Robot", "ID": OTHER_ID},
        {"ID": OTHER_ID},
    ],
)
def test_grantees_that_cannot_be(s3: Guarded, grantee: dict[str, str]) -> None:
    """A type without what belongs to it is MalformedACLError; an e-mail address is nobody's."""
    grants = [{"Grantee": grantee, "Permission": "READ"}]
    with pytest.raises(CloudError) as failed:
        s3.s3("PutBucketAcl", Bucket="photos", AccessControlPolicy={"Owner": {"ID": OWNER_ID}, "Grants": grants})
    assert failed.value.code == "MalformedACLError"
    grants[0]["Grantee"] = {"Type": "AmazonCustomerByEmail", "EmailAddress": "a@example.com"}
    with pytest.raises(CloudError) as failed:
        s3.s3("PutBucketAcl", Bucket="photos", AccessControlPolicy={"Owner": {"ID": OWNER_ID}, "Grants": grants})
    assert failed.value.code == "UnresolvableGrantByEmailAddress"


def test_a_list_without_grants(s3: Guarded) -> None:
    """It is kept as it is, and takes nothing from the owner's account, which its own policies speak for."""
    for operation, more in (("PutBucketAcl", {}), ("PutObjectAcl", {"Key": "a"})):
        s3.s3(operation, Bucket="photos", AccessControlPolicy=listed(), **more)
    assert s3.grants() == s3.grants("a") == set()
    assert s3.allows(OWNER, "GetObject", Key="a")
    assert not s3.allows(STRANGER, "GetObject", Key="a")


# -- whose objects are -------------------------------------------------------------------------------------------------


def stored(s3: Guarded, key: str) -> StoredObject:
    with s3.store.read() as tx:
        bucket = tx[Bucket].get("photos")
        assert bucket is not None
        found = tx[StoredObject].get(bucket.id, key)
        assert found is not None
        return found


def owner_of(s3: Guarded, key: str) -> str:
    return stored(s3, key).owner or ACCOUNT


@pytest.mark.parametrize(
    ("ownership", "acl", "owner"),
    [
        ("ObjectWriter", "", OTHER),
        ("ObjectWriter", "bucket-owner-full-control", OTHER),
        ("BucketOwnerPreferred", "", OTHER),
        ("BucketOwnerPreferred", "private", OTHER),
        ("BucketOwnerPreferred", "bucket-owner-full-control", ACCOUNT),
        ("BucketOwnerEnforced", "", ACCOUNT),
        ("BucketOwnerEnforced", "bucket-owner-full-control", ACCOUNT),
    ],
)
def test_whose_new_objects_are(s3: Guarded, ownership: str, acl: str, owner: str) -> None:
    """The writer's, or the bucket's: put, copied and uploaded in parts alike; listings and lists say so."""
    s3.policy(statement("Allow", "s3:*", {"AWS": OTHER}))
    s3.ownership(ownership)
    more = {"Bucket": "photos", **({"ACL": acl} if acl else {})}
    s3.as_(STRANGER, "PutObject", Key="put", **more)
    s3.as_(STRANGER, "CopyObject", Key="copied", CopySource="photos/a", **more)
    begun = s3.as_(STRANGER, "CreateMultipartUpload", Key="parts", **more)["UploadId"]
    upload = {"Bucket": "photos", "Key": "parts", "UploadId": begun}
    part = s3.as_(STRANGER, "UploadPart", PartNumber=1, **upload)["ETag"]
    assert s3.as_(STRANGER, "ListParts", **upload)["Owner"] == {"ID": canonical_id(owner)}
    assert s3.s3("ListMultipartUploads", Bucket="photos")["Uploads"][0]["Owner"] == {"ID": canonical_id(owner)}
    parts = {"Parts": [{"PartNumber": 1, "ETag": part}]}
    s3.as_(STRANGER, "CompleteMultipartUpload", MultipartUpload=parts, **upload)
    for key in ("put", "copied", "parts"):
        assert owner_of(s3, key) == owner
        shown = s3.as_(STRANGER, "GetObjectAcl", Bucket="photos", Key=key)
        assert shown["Owner"] == {"ID": canonical_id(owner)}
        assert (canonical_id(owner), "FULL_CONTROL") in {
            (grant["Grantee"]["ID"], grant["Permission"]) for grant in shown["Grants"]
        }
    for operation, listed_as in (("ListObjects", "Contents"), ("ListObjectVersions", "Versions")):
        found = {entry["Key"]: entry["Owner"]["ID"] for entry in s3.s3(operation, Bucket="photos")[listed_as]}
        theirs = canonical_id(owner)
        assert found == {"a": OWNER_ID, "put": theirs, "copied": theirs, "parts": theirs}


def test_what_nobody_signs_is_anonymous(s3: Guarded) -> None:
    """An anonymous upload belongs to the anonymous user; its bucket's owner can delete it, not read it."""
    s3.s3("PutBucketAcl", Bucket="photos", ACL="public-read-write")
    s3.as_(ANONYMOUS, "PutObject", Bucket="photos", Key="found")
    owners = {entry["Key"]: entry["Owner"]["ID"] for entry in s3.s3("ListObjects", Bucket="photos")["Contents"]}
    assert owners["found"] == ANONYMOUS_ID
    assert not s3.allows(OWNER, "GetObject", Key="found")
    assert s3.allows(OWNER, "DeleteObject", Key="found")


def test_copies_have_lists_of_their_own(s3: Guarded) -> None:
    """A copy is private, whatever its source was; and a private list takes no room."""
    s3.s3("PutObjectAcl", Bucket="photos", Key="a", ACL="public-read")
    s3.s3("CopyObject", Bucket="photos", Key="b", CopySource="photos/a")
    assert s3.grants("b") == {(OWNER_ID, "FULL_CONTROL")}
    s3.s3("PutObjectAcl", Bucket="photos", Key="a", ACL="private")
    for key in ("a", "b"):
        assert stored(s3, key).acl == ()


def test_lists_of_versions(s3: Guarded) -> None:
    """Each version has a list and an owner; changing one changes no other."""
    s3.s3("PutBucketVersioning", Bucket="photos", VersioningConfiguration={"Status": "Enabled"})
    first = s3.put("photos", "v", b"1")["VersionId"]
    second = s3.put("photos", "v", b"2")["VersionId"]
    s3.s3("PutObjectAcl", Bucket="photos", Key="v", VersionId=first, ACL="public-read")
    assert s3.grants("v", VersionId=first) == {(OWNER_ID, "FULL_CONTROL"), (EVERYBODY, "READ")}
    assert s3.grants("v", VersionId=second) == s3.grants("v") == {(OWNER_ID, "FULL_CONTROL")}
    assert s3.allows(ANONYMOUS, "GetObject", Key="v", VersionId=first)
    assert not s3.allows(ANONYMOUS, "GetObject", Key="v", VersionId=second)
    assert not s3.allows(ANONYMOUS, "GetObject", Key="v")


def test_who_begins_an_upload_may_see_and_stop_it(s3: Guarded) -> None:
    """Without a grant for that; other accounts may not."""
    s3.s3("PutBucketAcl", Bucket="photos", ACL="public-read-write")
    begun = s3.as_(STRANGER, "CreateMultipartUpload", Bucket="photos", Key="k")["UploadId"]
    for caller in (ANONYMOUS, callers.root("222222222222")):
        for operation in ("ListParts", "AbortMultipartUpload"):
            assert not s3.allows(caller, operation, Key="k", UploadId=begun)
    for operation in ("ListParts", "AbortMultipartUpload"):
        assert s3.allows(STRANGER, operation, Key="k", UploadId=begun)


# -- the ownership setting ---------------------------------------------------------------------------------------------


def test_ownership_is_set_shown_and_deleted(s3: Guarded) -> None:
    """New buckets are BucketOwnerEnforced; without the setting, whoever writes an object owns it."""
    s3.s3("CreateBucket", Bucket="today")
    shown = s3.s3("GetBucketOwnershipControls", Bucket="today")["OwnershipControls"]
    assert shown == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    for name in ("BucketOwnerPreferred", "ObjectWriter", "BucketOwnerEnforced"):
        s3.ownership(name)
        shown = s3.s3("GetBucketOwnershipControls", Bucket="photos")["OwnershipControls"]
        assert shown == {"Rules": [{"ObjectOwnership": name}]}
    for _ in range(2):
        s3.s3("DeleteBucketOwnershipControls", Bucket="photos")
    with pytest.raises(CloudError) as failed:
        s3.s3("GetBucketOwnershipControls", Bucket="photos")
    assert (failed.value.code, failed.value.status) == ("OwnershipControlsNotFoundError", 404)
    s3.s3("PutBucketAcl", Bucket="photos", GrantWrite=f"id={OTHER_ID}")
    s3.as_(STRANGER, "PutObject", Bucket="photos", Key="theirs")
    assert owner_of(s3, "theirs") == OTHER
    for rules in ([], [{"ObjectOwnership": "Nobody"}], [{"ObjectOwnership": "ObjectWriter"}] * 2):
        with pytest.raises(errors.MalformedXML):
            s3.s3("PutBucketOwnershipControls", Bucket="photos", OwnershipControls={"Rules": rules})


def test_where_the_bucket_owns_everything_lists_do_not_count(s3: Guarded) -> None:
    """They cannot be set, show the owner alone, allow nothing; and count again, as they were, when they may."""
    s3.s3("PutObjectAcl", Bucket="photos", Key="a", ACL="public-read")
    s3.s3("PutBucketAcl", Bucket="photos", GrantWrite=f"id={OTHER_ID}")
    s3.as_(STRANGER, "PutObject", Bucket="photos", Key="theirs")
    with pytest.raises(errors.InvalidBucketAclWithObjectOwnership):
        s3.ownership("BucketOwnerEnforced")
    s3.s3("PutBucketAcl", Bucket="photos", ACL="private")
    s3.ownership("BucketOwnerEnforced")
    for key in ("", "a", "theirs"):
        assert s3.grants(key) == {(OWNER_ID, "FULL_CONTROL")}
    assert not s3.allows(ANONYMOUS, "GetObject", Key="a")
    assert not s3.allows(STRANGER, "GetObject", Key="theirs")
    assert s3.allows(OWNER, "GetObject", Key="theirs")
    for request in ({"ACL": "private"}, {"ACL": "public-read"}, {"GrantRead": f"id={OTHER_ID}"}, {"GrantRead": "?"}):
        for operation, more in (("PutObject", {"Key": "b"}), ("CreateMultipartUpload", {"Key": "b"})):
            with pytest.raises(errors.AccessControlListNotSupported):
                s3.as_(OWNER, operation, Bucket="photos", **more, **request)
    for operation, more in (("PutBucketAcl", {}), ("PutObjectAcl", {"Key": "a"})):
        s3.s3(operation, Bucket="photos", AccessControlPolicy=listed((OWNER_ID, "FULL_CONTROL")), **more)
        for request in ({"ACL": "private"}, {"ACL": "public-read"}, {"AccessControlPolicy": listed()}):
            with pytest.raises(errors.AccessControlListNotSupported):
                s3.s3(operation, Bucket="photos", **more, **request)
    s3.ownership("ObjectWriter")
    assert s3.allows(ANONYMOUS, "GetObject", Key="a")
    assert not s3.allows(OWNER, "GetObject", Key="theirs")


def test_new_buckets_with_lists(s3: Guarded) -> None:
    """Lists need an ownership under which they count, and public ones a bucket that does not refuse the public."""
    for more, code in (
        ({"ACL": "public-read"}, "InvalidBucketAclWithObjectOwnership"),
        ({"GrantRead": f"id={OTHER_ID}"}, "InvalidBucketAclWithObjectOwnership"),
        ({"ACL": "public-read", "ObjectOwnership": "ObjectWriter"}, "InvalidBucketAclWithBlockPublicAccessError"),
        ({"ACL": "nonsense"}, "InvalidArgument"),
        ({"ObjectOwnership": "Nobody"}, "InvalidArgument"),
    ):
        with pytest.raises(CloudError) as failed:
            s3.s3("CreateBucket", Bucket="new-bucket", **more)
        assert failed.value.code == code
    s3.s3("CreateBucket", Bucket="private-bucket", ACL="private")
    s3.s3("CreateBucket", Bucket="new-bucket", GrantRead=f"id={OTHER_ID}", ObjectOwnership="BucketOwnerPreferred")
    assert s3.allows(STRANGER, "ListObjectsV2", Bucket="new-bucket")
    s3.s3("CreateBucket", Bucket="new-bucket")  # made again: S3 resets the list, and nothing else
    assert not s3.allows(STRANGER, "ListObjectsV2", Bucket="new-bucket")


def test_new_buckets_as_they_were(tmp_path: Path) -> None:
    """With classic defaults lists count, nothing is refused to the public, and there is no setting to show."""
    with Buckets(tmp_path) as s3:
        s3.cloud.settings["s3_new_buckets"] = "classic"
        s3.s3("CreateBucket", Bucket="classic", ACL="public-read")
        assert len(s3.s3("GetBucketAcl", Bucket="classic")["Grants"]) == 2
        with pytest.raises(CloudError) as failed:
            s3.s3("GetBucketOwnershipControls", Bucket="classic")
        assert failed.value.code == "OwnershipControlsNotFoundError"
        with pytest.raises(errors.NoSuchPublicAccessBlockConfiguration):
            s3.s3("GetPublicAccessBlock", Bucket="classic")
        with pytest.raises(errors.InvalidBucketAclWithObjectOwnership):
            s3.s3("CreateBucket", Bucket="today", ACL="public-read", ObjectOwnership="BucketOwnerEnforced")


def test_making_a_bucket_with_lists_must_be_allowed(s3: Guarded) -> None:
    """s3:PutBucketAcl and s3:PutBucketOwnershipControls, besides s3:CreateBucket."""
    maker = s3.user("maker", {"Effect": "Allow", "Action": "s3:CreateBucket", "Resource": "*"})
    assert s3.allows(maker, "CreateBucket", Bucket="plain")
    assert not s3.allows(maker, "CreateBucket", Bucket="other", ObjectOwnership="ObjectWriter")
    assert not s3.allows(maker, "CreateBucket", Bucket="other", ACL="private")
    writer_only = {"StringEquals": {"s3:x-amz-object-ownership": "ObjectWriter"}}
    everything = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    limited = s3.user("limited", everything, {**everything, "Effect": "Deny", "Condition": writer_only})
    assert not s3.allows(limited, "CreateBucket", Bucket="other", ObjectOwnership="ObjectWriter")
    assert s3.allows(limited, "CreateBucket", Bucket="other", ObjectOwnership="BucketOwnerPreferred")


# -- keeping the public out --------------------------------------------------------------------------------------------


def block(s3: Guarded, **more: bool) -> None:
    s3.s3("PutPublicAccessBlock", Bucket="photos", PublicAccessBlockConfiguration={**OPEN, **more})


def test_public_lists_are_refused(s3: Guarded) -> None:
    """With BlockPublicAcls none is set any more, in whatever way it is said; private ones are, and old ones stay."""
    s3.s3("PutObjectAcl", Bucket="photos", Key="a", ACL="public-read")
    block(s3, BlockPublicAcls=True)
    for request in (
        {"ACL": "public-read"},
        {"ACL": "authenticated-read"},
        {"GrantRead": f"uri={EVERYBODY}"},
        {"GrantWriteACP": f"uri={AUTHENTICATED}"},
    ):
        for operation, more in (
            ("PutObject", {"Key": "b"}),
            ("CreateMultipartUpload", {"Key": "b"}),
            ("CopyObject", {"Key": "b", "CopySource": "photos/a"}),
            ("PutObjectAcl", {"Key": "a"}),
            ("PutBucketAcl", {}),
        ):
            assert not s3.allows(OWNER, operation, **more, **request), operation
    assert s3.allows(OWNER, "PutObject", Key="b", ACL="private")
    assert s3.allows(OWNER, "PutBucketAcl", GrantRead=f"id={OTHER_ID}")
    assert s3.allows(ANONYMOUS, "GetObject", Key="a")


def test_public_lists_are_ignored(s3: Guarded) -> None:
    """With IgnorePublicAcls grants to groups count for nothing; those to accounts do, and lists are shown as they are."""
    s3.s3("PutObjectAcl", Bucket="photos", Key="a", GrantRead=f"uri={EVERYBODY}, id={OTHER_ID}")
    s3.s3("PutBucketAcl", Bucket="photos", ACL="public-read")
    block(s3, IgnorePublicAcls=True)
    assert not s3.allows(ANONYMOUS, "GetObject", Key="a")
    assert not s3.allows(callers.root("222222222222"), "GetObject", Key="a")
    assert not s3.allows(STRANGER, "ListObjectsV2")
    assert s3.allows(STRANGER, "GetObject", Key="a")
    assert (EVERYBODY, "READ") in s3.grants("a")
    block(s3)
    assert s3.allows(ANONYMOUS, "GetObject", Key="a")


def test_buckets_with_a_public_policy_are_restricted(s3: Guarded) -> None:
    """With RestrictPublicBuckets no other account gets in, by policy or list; a policy that denies still denies."""
    s3.s3("PutObjectAcl", Bucket="photos", Key="a", GrantRead=f"id={OTHER_ID}")
    block(s3, RestrictPublicBuckets=True)
    assert s3.allows(STRANGER, "GetObject", Key="a")
    s3.policy(statement("Allow", "s3:*"))
    for caller in (STRANGER, ANONYMOUS):
        assert not s3.allows(caller, "GetObject", Key="a")
        assert not s3.allows(caller, "ListObjectsV2")
    reader = s3.user("reader", {"Effect": "Allow", "Action": "s3:*", "Resource": "*"})
    assert s3.allows(reader, "GetObject", Key="a")
    assert s3.s3("GetBucketPolicyStatus", Bucket="photos") == {"PolicyStatus": {"IsPublic": True}}


# -- what it costs -----------------------------------------------------------------------------------------------------


def test_buckets_without_lists_are_not_asked_for_any(s3: Guarded) -> None:
    """Writing and reading there reads no record for lists: not one statement more than policies need."""
    s3.s3("CreateBucket", Bucket="today")
    with s3.store.read() as tx:
        ctx = s3.context(tx, STRANGER)
        check = services.discover()["s3"].operations["PutObject"].check
        assert check is not None
        (asked,) = check(ctx, {"Bucket": "today", "Key": "k"})
        assert list(ctx.memo) == ["today"]
    assert (asked.granted, asked.only_denies) == (False, False)
