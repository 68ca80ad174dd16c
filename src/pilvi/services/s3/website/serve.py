"""GetWebsite: a request of a browser to a bucket that is a website.

    everything is redirected?   there
    a rule for the key?         there
    the object, or the index of the folder that the key is
    not there: the folder of that name?   302 to it, with its slash
    an error: a rule for it?    there
              the bucket's own page for errors, or ours

https://docs.aws.amazon.com/AmazonS3/latest/userguide/WebsiteHosting.html
"""

from typing import Any, TypedDict

from pilvi.core.caller import Check
from pilvi.core.context import Context
from pilvi.core.errors import AccessDenied, CloudError
from pilvi.core.operation import door
from pilvi.services.s3.access import Params, existing_tags, find_bucket, find_object, missing, object_check
from pilvi.services.s3.errors import MethodNotAllowed
from pilvi.services.s3.get import read_object
from pilvi.services.s3.names import check_key
from pilvi.services.s3.records import Bucket
from pilvi.services.s3.website import routing
from pilvi.services.s3.website.configuration import site_of
from pilvi.services.s3.website.records import BucketWebsite

_FOUND = 302
_MOVED = 301


class WebsiteResult(TypedDict, total=False):
    """What the website's codec makes an answer of.

    `Location`: of a redirect; else `Output` is GetObject's, and `Error` what the page in it is shown instead of.
    """

    Status: int
    Location: str
    Output: Any
    Error: CloudError


def _check(ctx: Context, req: Params) -> list[Check]:
    """Which object is asked for, only the operation finds out; it asks for each that it looks at."""
    return []


@door("GetWebsite", reads=True, check=_check)
def get_website(ctx: Context, req: Params) -> WebsiteResult:
    """One page, redirect or error."""
    if req["Method"] not in ("GET", "HEAD"):
        raise MethodNotAllowed(
            fields={"Method": req["Method"], "ResourceType": "OBJECT"}, headers={"Allow": "GET, HEAD"}
        )
    bucket, key = find_bucket(ctx, req), req["Key"]
    site, endpoint, query = site_of(ctx, bucket), ctx.request.endpoint, req["Query"]
    if site.everything is not None:
        return _moved(*routing.redirect_everything(site.everything, key, endpoint, query))
    rule = routing.rule_for(site, key)
    if rule is not None:
        return _moved(*routing.redirect(rule, key, endpoint, query))
    try:
        return _page(ctx, bucket, site, req)
    except CloudError as error:
        rule = routing.rule_for(site, key, error.status)
        if rule is not None:
            return _moved(*routing.redirect(rule, key, endpoint, query))
        return _own_page(ctx, bucket, site, error)


def _moved(status: int, location: str) -> WebsiteResult:
    return {"Status": status, "Location": location}


def _page(ctx: Context, bucket: Bucket, site: BucketWebsite, req: Params) -> WebsiteResult:
    """The object at the key.

    Raises:
        CloudError: why it cannot be shown.
    """
    asked: str = req["Key"]
    folder = not asked or asked.endswith("/")
    key = asked + site.index if folder else asked
    check_key(key)
    if not folder and find_object(ctx, bucket, key) is None and _is_folder(ctx, bucket, site, asked):
        return _moved(_FOUND, routing.folder(asked))
    output = _read(ctx, bucket, key, req)
    if "WebsiteRedirectLocation" in output:
        return _moved(_MOVED, output["WebsiteRedirectLocation"])
    return {"Status": 200, "Output": output}


def _is_folder(ctx: Context, bucket: Bucket, site: BucketWebsite, asked: str) -> bool:
    """Whether there is an index below this name, for those who may read it."""
    key = f"{asked}/{site.index}"
    return find_object(ctx, bucket, key) is not None and _may_read(ctx, bucket, key)


def _read(ctx: Context, bucket: Bucket, key: str, req: Params) -> Any:
    """Raises AccessDenied, NoSuchKey, and whatever reading an object raises."""
    if not _may_read(ctx, bucket, key):
        raise AccessDenied("Access Denied")
    if find_object(ctx, bucket, key) is None:
        raise missing(ctx, bucket, key)
    return read_object(ctx, {**req, "Key": key})


def _may_read(ctx: Context, bucket: Bucket, key: str) -> bool:
    found = find_object(ctx, bucket, key)
    conditions = existing_tags(found) if found is not None and found.tags else None
    return ctx.may(object_check(ctx, bucket, key, "s3:GetObject", conditions, found))


def _own_page(ctx: Context, bucket: Bucket, site: BucketWebsite, error: CloudError) -> WebsiteResult:
    """The bucket's page for errors of the client, with the error's status.

    Raises:
        CloudError: there is none; `ErrorDocument` in its fields says what went wrong with it.
    """
    if not site.error or not 400 <= error.status <= 499:
        raise error
    try:
        output = _read(ctx, bucket, site.error, {"Bucket": bucket.name})
    except CloudError as inner:
        error.fields = {**error.fields, "ErrorDocument": inner, "ErrorDocumentKey": site.error}
        raise error from inner
    return {"Status": error.status, "Output": output, "Error": error}
