"""PutBucketCors, GetBucketCors, DeleteBucketCors."""

import msgspec

from pilvi.core.context import Context
from pilvi.core.operation import operation
from pilvi.services.s3.access import find_bucket, on_bucket
from pilvi.services.s3.cors.records import BucketSharing, SharingRule
from pilvi.services.s3.cors.rules import ANY, METHODS
from pilvi.services.s3.errors import InvalidRequest, MalformedXML, S3Error
from pilvi.services.s3.records import Bucket
from pilvi.services.s3.types import (
    CORSRule,
    DeleteBucketCorsRequest,
    GetBucketCorsOutput,
    GetBucketCorsRequest,
    PutBucketCorsRequest,
)

RULES_MAX = 100
PATTERNS_MAX = 2_000
"""Origins and headers in all rules: strangers can have them compared as often as they like."""

ID_CHARACTERS_MAX = 255
CHARACTERS_MAX = 64 * 1024
"""Of all texts in the rules of a bucket; AWS: "The document is limited to 64 KB in size"."""


class NoSuchCORSConfiguration(S3Error):
    """The bucket shares nothing."""

    code = "NoSuchCORSConfiguration"
    status = 404
    text = "The CORS configuration does not exist"


@operation("GetBucketCors", reads=True, check=on_bucket("s3:GetBucketCORS"), open=True)
def get_bucket_cors(ctx: Context, req: GetBucketCorsRequest) -> GetBucketCorsOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketCors.html"""
    bucket = find_bucket(ctx, req)
    found = ctx.tx[BucketSharing].get(bucket.id) if bucket.shares else None
    if found is None:
        raise NoSuchCORSConfiguration(fields={"BucketName": bucket.name})
    return {"CORSRules": [_shown(rule) for rule in found.rules]}


def _shown(rule: SharingRule) -> CORSRule:
    shown: CORSRule = {"AllowedMethods": list(rule.methods), "AllowedOrigins": list(rule.origins)}
    if rule.id is not None:
        shown["ID"] = rule.id
    if rule.headers:
        shown["AllowedHeaders"] = list(rule.headers)
    if rule.shows:
        shown["ExposeHeaders"] = list(rule.shows)
    if rule.max_age_seconds >= 0:
        shown["MaxAgeSeconds"] = rule.max_age_seconds
    return shown


@operation("PutBucketCors", check=on_bucket("s3:PutBucketCORS"), open=True, bodiless=True)
def put_bucket_cors(ctx: Context, req: PutBucketCorsRequest) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketCors.html"""
    bucket = find_bucket(ctx, req)
    given = req["CORSConfiguration"]["CORSRules"]
    if not given:
        raise MalformedXML
    if len(given) > RULES_MAX:
        raise InvalidRequest("The number of CORS rules should not exceed allowed limit of 100 rules.")
    rules = tuple(_rule(rule) for rule in given)
    patterns = sum(len(rule.origins) + len(rule.headers) for rule in rules)
    if sum(_size(rule) for rule in rules) > CHARACTERS_MAX or patterns > PATTERNS_MAX:
        raise MalformedXML
    ctx.tx[BucketSharing].put(BucketSharing(bucket.id, rules))
    if not bucket.shares:
        ctx.tx[Bucket].put(msgspec.structs.replace(bucket, shares=True))


def _rule(given: CORSRule) -> SharingRule:
    origins, methods = given["AllowedOrigins"], given["AllowedMethods"]
    headers, shows = given.get("AllowedHeaders", []), given.get("ExposeHeaders", [])
    seconds = given.get("MaxAgeSeconds", -1)
    if not origins or not methods or ("MaxAgeSeconds" in given and seconds < 0):
        raise MalformedXML
    if len(given.get("ID", "")) > ID_CHARACTERS_MAX:
        raise InvalidRequest("ID length should not exceed allowed limit of 255")
    for method in methods:
        if method not in METHODS:
            raise InvalidRequest(f"Found unsupported HTTP method in CORS config. Unsupported method is {method}")
    _check_wildcards("AllowedOrigin", origins)
    _check_wildcards("AllowedHeader", headers)
    for header in shows:
        if ANY in header:
            raise InvalidRequest(
                f'ExposeHeader "{header}" contains wildcard. We currently do not support wildcard for ExposeHeader.'
            )
    return SharingRule(tuple(origins), tuple(methods), tuple(headers), tuple(shows), seconds, given.get("ID"))


def _check_wildcards(member: str, patterns: list[str]) -> None:
    for pattern in patterns:
        if pattern.count(ANY) > 1:
            raise InvalidRequest(f'{member} "{pattern}" can not have more than one wildcard.')


def _size(rule: SharingRule) -> int:
    texts = (*rule.origins, *rule.methods, *rule.headers, *rule.shows, rule.id or "")
    return sum(len(text) for text in texts)


@operation("DeleteBucketCors", check=on_bucket("s3:PutBucketCORS"), open=True)
def delete_bucket_cors(ctx: Context, req: DeleteBucketCorsRequest) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketCors.html"""
    bucket = find_bucket(ctx, req)
    if bucket.shares:
        ctx.tx[BucketSharing].delete(bucket.id)
        ctx.tx[Bucket].put(msgspec.structs.replace(bucket, shares=False))
