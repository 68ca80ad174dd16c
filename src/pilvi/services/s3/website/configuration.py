"""PutBucketWebsite, GetBucketWebsite, DeleteBucketWebsite.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/how-to-page-redirect.html
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from pilvi.core.context import Context
from pilvi.core.operation import operation
from pilvi.services.s3.access import find_bucket, on_bucket
from pilvi.services.s3.errors import InvalidRequest, MalformedXML, S3Error, invalid_argument
from pilvi.services.s3.names import KEY_BYTES_MAX
from pilvi.services.s3.records import Bucket
from pilvi.services.s3.types import (
    DeleteBucketWebsiteRequest,
    GetBucketWebsiteOutput,
    GetBucketWebsiteRequest,
    PutBucketWebsiteRequest,
    WebsiteConfiguration,
)
from pilvi.services.s3.website.records import BucketWebsite, RoutingRule, Target

RULES_MAX = 50
CHARACTERS_MAX = 128 * 1024
"""Of all texts in a bucket's configuration; AWS: "The maximum request length is limited to 128 KB"."""

_PROTOCOLS = frozenset({"http", "https"})


class NoSuchWebsiteConfiguration(S3Error):
    """The bucket is no website."""

    code = "NoSuchWebsiteConfiguration"
    status = 404
    text = "The specified bucket does not have a website configuration"


@operation("GetBucketWebsite", reads=True, check=on_bucket("s3:GetBucketWebsite"), open=True)
def get_bucket_website(ctx: Context, req: GetBucketWebsiteRequest) -> GetBucketWebsiteOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketWebsite.html"""
    site = site_of(ctx, find_bucket(ctx, req))
    if site.everything is not None:
        return {"RedirectAllRequestsTo": _shown(site.everything)}  # type: ignore[typeddict-item]
    shown: dict[str, Any] = {"IndexDocument": {"Suffix": site.index}}
    if site.error:
        shown["ErrorDocument"] = {"Key": site.error}
    if site.rules:
        shown["RoutingRules"] = [_shown_rule(rule) for rule in site.rules]
    return shown  # type: ignore[return-value]


def site_of(ctx: Context, bucket: Bucket) -> BucketWebsite:
    """Raises NoSuchWebsiteConfiguration."""
    found = ctx.tx[BucketWebsite].get(bucket.id) if bucket.website else None
    if found is None:
        raise NoSuchWebsiteConfiguration(fields={"BucketName": bucket.name})
    return found


def _shown(target: Target) -> dict[str, str]:
    shown = {"HostName": target.host, "Protocol": target.protocol}
    if target.status:
        shown["HttpRedirectCode"] = str(target.status)
    found = {name: value for name, value in shown.items() if value}
    if target.key is not None:
        found["ReplaceKeyWith"] = target.key
    if target.prefix is not None:
        found["ReplaceKeyPrefixWith"] = target.prefix
    return found


def _shown_rule(rule: RoutingRule) -> dict[str, Any]:
    condition: dict[str, str] = {}
    if rule.prefix is not None:
        condition["KeyPrefixEquals"] = rule.prefix
    if rule.error:
        condition["HttpErrorCodeReturnedEquals"] = str(rule.error)
    shown: dict[str, Any] = {"Redirect": _shown(rule.target)}
    return {"Condition": condition, **shown} if condition else shown


@operation("PutBucketWebsite", check=on_bucket("s3:PutBucketWebsite"), open=True)
def put_bucket_website(ctx: Context, req: PutBucketWebsiteRequest) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketWebsite.html"""
    bucket = find_bucket(ctx, req)
    ctx.tx[BucketWebsite].put(_site(bucket, req["WebsiteConfiguration"]))
    if not bucket.website:
        ctx.tx[Bucket].put(msgspec.structs.replace(bucket, website=True))


def _site(bucket: Bucket, given: WebsiteConfiguration) -> BucketWebsite:
    if "RedirectAllRequestsTo" in given:
        if len(given) > 1:
            raise invalid_argument(
                "RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules.",
                "RedirectAllRequestsTo",
                "not null",
            )
        return BucketWebsite(bucket.id, everything=_everything(given["RedirectAllRequestsTo"]))
    rules = given.get("RoutingRules", [])
    if len(rules) > RULES_MAX:
        raise InvalidRequest(f"The number of routing rules {len(rules)} exceeds the limit of {RULES_MAX}")
    site = BucketWebsite(bucket.id, _index(given), _error(given), rules=tuple(_rule(rule) for rule in rules))
    if len(msgspec.json.encode(site.rules)) > CHARACTERS_MAX:
        raise MalformedXML
    return site


def _everything(given: Mapping[str, Any]) -> Target:
    if not given["HostName"]:
        raise InvalidRequest("The HostName of RedirectAllRequestsTo must not be empty.")
    _check_protocol(given)
    return Target(_checked(given["HostName"]), given.get("Protocol", ""))


def _index(given: WebsiteConfiguration) -> str:
    if "IndexDocument" not in given:
        raise invalid_argument(
            "A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty",
            "IndexDocument",
            "null",
        )
    suffix = given["IndexDocument"]["Suffix"]
    if not suffix or "/" in suffix or len(suffix.encode()) > KEY_BYTES_MAX:
        raise invalid_argument("The IndexDocument Suffix is not well formed", "IndexDocument", suffix)
    return suffix


def _error(given: WebsiteConfiguration) -> str:
    if "ErrorDocument" not in given:
        return ""
    key = given["ErrorDocument"]["Key"]
    if not key or len(key.encode()) > KEY_BYTES_MAX:
        raise invalid_argument("The ErrorDocument Key is not well formed", "ErrorDocument", key)
    return key


def _rule(given: Mapping[str, Any]) -> RoutingRule:
    target = _target(given["Redirect"])
    if "Condition" not in given:
        return RoutingRule(target)
    condition: Mapping[str, str] = given["Condition"]
    if condition.keys().isdisjoint({"KeyPrefixEquals", "HttpErrorCodeReturnedEquals"}):
        raise InvalidRequest(
            "Condition cannot be empty. To redirect all requests without a condition, the condition element shouldn't "
            "be present."
        )
    error = 0
    if "HttpErrorCodeReturnedEquals" in condition:
        error = _status(condition["HttpErrorCodeReturnedEquals"])
        if not 400 <= error <= 599:
            code = condition["HttpErrorCodeReturnedEquals"]
            raise InvalidRequest(f"The provided HTTP error code ({code}) is not valid. Valid codes are 4XX or 5XX.")
    return RoutingRule(target, condition.get("KeyPrefixEquals"), error)


def _target(given: Mapping[str, str]) -> Target:
    if not given:
        raise MalformedXML
    _check_protocol(given)
    if "ReplaceKeyWith" in given and "ReplaceKeyPrefixWith" in given:
        raise InvalidRequest("You can only define ReplaceKeyPrefix or ReplaceKey but not both.")
    status = 0
    if "HttpRedirectCode" in given:
        status = _status(given["HttpRedirectCode"])
        if not 301 <= status <= 399:
            code = given["HttpRedirectCode"]
            raise InvalidRequest(
                f"The provided HTTP redirect code ({code}) is not valid. Valid codes are 3XX except 300."
            )
    return Target(
        _checked(given.get("HostName", "")),
        given.get("Protocol", ""),
        status,
        given.get("ReplaceKeyWith"),
        given.get("ReplaceKeyPrefixWith"),
    )


def _check_protocol(given: Mapping[str, str]) -> None:
    if given.get("Protocol", "http") not in _PROTOCOLS:
        raise InvalidRequest(
            "Invalid protocol, protocol can be http or https. If not defined the protocol will be selected automatically."
        )


def _checked(host: str) -> str:
    """What stands in a Location header between the slashes: no control characters, no spaces, no path."""
    if any(character <= " " or character in "/?#\\@" for character in host):
        raise InvalidRequest("The provided host name is not valid.")
    return host


def _status(text: str) -> int:
    return int(text) if len(text) == 3 and text.isascii() and text.isdigit() else 0


@operation("DeleteBucketWebsite", check=on_bucket("s3:DeleteBucketWebsite"), open=True)
def delete_bucket_website(ctx: Context, req: DeleteBucketWebsiteRequest) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketWebsite.html"""
    bucket = find_bucket(ctx, req)
    if bucket.website:
        ctx.tx[BucketWebsite].delete(bucket.id)
        ctx.tx[Bucket].put(msgspec.structs.replace(bucket, website=False))
