"""Requests that a careful client would send: those whose parameters chance would hardly ever make valid."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fuzz.values import ALIAS, Values

Params = dict[str, Any]
ROLE = "arn:aws:iam::000000000000:role/fuzz"


def _lifecycle(values: Values) -> Params:
    rule: Params = {
        "ID": "r",
        "Status": "Enabled",
        "Filter": values.pick(
            (
                {},
                {"Prefix": "a"},
                {"And": {"Prefix": "a", "Tags": [{"Key": "a", "Value": "1"}]}},
                {"ObjectSizeLessThan": 99},
            )
        ),
        "Expiration": values.pick(({"Days": 1}, {"ExpiredObjectDeleteMarker": True}, {"Date": values.moment()})),
        "NoncurrentVersionExpiration": {"NoncurrentDays": 1, "NewerNoncurrentVersions": 2},
    }
    other: Params = {
        "Status": "Enabled",
        "Prefix": "b",
        "Transitions": [{"Days": 1, "StorageClass": "GLACIER"}],
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
    }
    return {"LifecycleConfiguration": {"Rules": values.pick(([rule], [other], [rule, other]))}}


def _replication(values: Values) -> Params:
    destination: Params = {"Bucket": f"arn:aws:s3:::{values.bucket()}"}
    if values.often(0.3):
        destination["EncryptionConfiguration"] = {"ReplicaKmsKeyID": ALIAS}
    rule: Params = {
        "ID": "r",
        "Priority": 1,
        "Status": "Enabled",
        "Filter": values.pick(({}, {"Prefix": "a"}, {"Tag": {"Key": "a", "Value": "1"}})),
        "DeleteMarkerReplication": {"Status": values.pick(("Enabled", "Disabled"))},
        "Destination": destination,
    }
    return {"ReplicationConfiguration": {"Role": ROLE, "Rules": [rule]}}


def _website(values: Values) -> Params:
    routing = {
        "Condition": values.pick(({"KeyPrefixEquals": "a/"}, {"HttpErrorCodeReturnedEquals": "404"})),
        "Redirect": values.pick(
            ({"ReplaceKeyPrefixWith": "b/"}, {"HostName": "h", "Protocol": "https"}, {"HttpRedirectCode": "302"})
        ),
    }
    site: Params = {"IndexDocument": {"Suffix": "index.html"}, "ErrorDocument": {"Key": "a"}}
    if values.often(0.6):
        site["RoutingRules"] = [routing]
    return {"WebsiteConfiguration": values.pick((site, site, {"RedirectAllRequestsTo": {"HostName": "h"}}))}


def _cors(values: Values) -> Params:
    rule = {
        "AllowedMethods": ["GET", "PUT"],
        "AllowedOrigins": values.pick((["*"], ["http://*.x", "null"])),
        "AllowedHeaders": ["*"],
    }
    return {"CORSConfiguration": {"CORSRules": [rule]}}


def _encryption(values: Values) -> Params:
    default = values.pick(
        ({"SSEAlgorithm": "AES256"}, {"SSEAlgorithm": "aws:kms"}, {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": ALIAS})
    )
    rule = {"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": values.often(0.5)}
    return {"ServerSideEncryptionConfiguration": {"Rules": [rule]}}


def _acl(values: Values) -> Params:
    if values.often(0.5):
        return {
            "ACL": values.pick(
                ("private", "public-read", "bucket-owner-full-control", "authenticated-read", "log-delivery-write")
            )
        }
    everybody = {"Type": "Group", "URI": "http://acs.amazonaws.com/groups/global/AllUsers"}
    return {
        "AccessControlPolicy": {"Grants": [{"Grantee": everybody, "Permission": "READ"}], "Owner": {"ID": "a" * 64}}
    }


def _complete(values: Values) -> Params:
    if values.uploads and values.often(0.8):
        begun = values.pick(values.uploads)
        named = [{"PartNumber": number, "ETag": etag} for number, etag in sorted(begun.parts.items())]
        return {**begun.place, "MultipartUpload": {"Parts": named}}
    parts = [{"PartNumber": number, "ETag": values.known("etag")} for number in range(1, values.pick((2, 2, 3)))]
    return {"MultipartUpload": {"Parts": parts}}


def _delete(values: Values) -> Params:
    entries: list[Params] = [{"Key": values.key()} for _ in range(values.pick((1, 2, 5)))]
    if values.often(0.4):
        entries[0]["VersionId"] = values.known("version")
    return {"Delete": {"Objects": entries, "Quiet": values.often(0.3)}}


def _restore(values: Values) -> Params:
    return {
        "RestoreRequest": {
            "Days": values.pick((1, 2)),
            "GlacierJobParameters": {"Tier": values.pick(("Bulk", "Expedited"))},
        }
    }


def _create_key(values: Values) -> Params:
    made = values.pick(
        (
            {},
            {"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"},
            {"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"},
            {"KeySpec": "ECC_NIST_P256", "KeyUsage": "KEY_AGREEMENT"},
        )
    )
    return {**made, "Tags": [{"TagKey": "a", "TagValue": "1"}]} if values.often(0.3) else dict(made)


EXAMPLES: dict[str, Callable[[Values], Params]] = {
    "CompleteMultipartUpload": _complete,
    "CreateKey": _create_key,
    "DeleteObjects": _delete,
    "PutBucketAcl": _acl,
    "PutBucketCors": _cors,
    "PutBucketEncryption": _encryption,
    "PutBucketLifecycleConfiguration": _lifecycle,
    "PutBucketLogging": lambda values: {
        "BucketLoggingStatus": {"LoggingEnabled": {"TargetBucket": values.bucket(), "TargetPrefix": "log/"}}
    },
    "PutBucketOwnershipControls": lambda values: {
        "OwnershipControls": {
            "Rules": [{"ObjectOwnership": values.pick(("BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"))}]
        }
    },
    "PutBucketReplication": _replication,
    "PutBucketVersioning": lambda values: {
        "VersioningConfiguration": {"Status": values.pick(("Enabled", "Suspended"))}
    },
    "PutBucketWebsite": _website,
    "PutObjectAcl": _acl,
    "PutObjectLegalHold": lambda values: {"LegalHold": {"Status": values.pick(("ON", "OFF"))}},
    "PutObjectLockConfiguration": lambda values: {
        "ObjectLockConfiguration": {
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}},
        }
    },
    "PutObjectRetention": lambda values: {"Retention": {"Mode": "GOVERNANCE", "RetainUntilDate": values.moment()}},
    "PutPublicAccessBlock": lambda values: {"PublicAccessBlockConfiguration": {"BlockPublicAcls": values.often(0.3)}},
    "PutObjectTagging": lambda values: {"Tagging": {"TagSet": [{"Key": "a", "Value": values.pick("12")}]}},
    "RestoreObject": _restore,
}
