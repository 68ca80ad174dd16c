"""PostObject: an upload by an HTML form."""

from typing import Any, TypedDict
from urllib.parse import quote

from pilvi.core.caller import Check
from pilvi.core.context import Context
from pilvi.core.effects import StagePlan
from pilvi.core.operation import door
from pilvi.services.s3.access import Params, find_bucket
from pilvi.services.s3.errors import EntityTooSmall
from pilvi.services.s3.forms import policy as policies
from pilvi.services.s3.put import PUT_BYTES_MAX, plan_write, write_checks, write_object

_STATUSES = frozenset({"200", "201", "204"})


class PostObjectResult(TypedDict):
    """What the form's codec makes an answer of; `Put` is PutObject's output."""

    Put: Any
    Bucket: str
    Key: str
    Location: str
    Status: str
    Redirect: str


def _policy(ctx: Context, req: Params) -> policies.FormPolicy | None:
    """The form's policy; None for one that nobody signed: then the bucket decides alone."""
    return None if ctx.caller.kind == "anonymous" else policies.read(req["Form"]["policy"])


def _check(ctx: Context, req: Params) -> list[Check]:
    bucket = find_bucket(ctx, req)
    policy = _policy(ctx, req)
    if policy is not None:
        policies.check(policy, req["Form"], bucket.name, ctx.now_ms)
    return write_checks(ctx, bucket, req)


def _stages(ctx: Context, req: Params) -> StagePlan:
    policy = _policy(ctx, req)
    largest = policy.sizes[1] if policy is not None and policy.sizes is not None else PUT_BYTES_MAX
    return plan_write(ctx, req, min(largest, PUT_BYTES_MAX))


@door("PostObject", check=_check, stages=_stages)
def post_object(ctx: Context, req: Params) -> PostObjectResult:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html"""
    policy, size = _policy(ctx, req), req["Body"].size
    if policy is not None and policy.sizes is not None and size < policy.sizes[0]:
        raise EntityTooSmall(fields={"ProposedSize": size, "MinSizeAllowed": policy.sizes[0]})
    put = write_object(ctx, req, "ObjectCreated:Post")
    bucket, key, form = req["Bucket"], req["Key"], req["Form"]
    status = form.get("success_action_status", "")
    return {
        "Put": put,
        "Bucket": bucket,
        "Key": key,
        "Location": f"{ctx.request.endpoint}/{bucket}/{quote(key)}",
        "Status": status if status in _STATUSES else "204",
        "Redirect": form.get("success_action_redirect", "") or form.get("redirect", ""),
    }
