"""Tags of keys. https://docs.aws.amazon.com/kms/latest/developerguide/tagging-keys.html"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from pilvi.core.context import Context
from pilvi.core.operation import operation
from pilvi.services.kms import access, find, limits, paging
from pilvi.services.kms.errors import LimitExceeded, TagProblem
from pilvi.services.kms.records import Key
from pilvi.services.kms.types import (
    ListResourceTagsRequest,
    ListResourceTagsResponse,
    Tag,
    TagResourceRequest,
    UntagResourceRequest,
)


def given(listed: Iterable[Tag]) -> dict[str, str]:
    """The tags of a request.

    Raises:
        TagProblem: one is there twice, or reserved.
        LimitExceeded: they are too many.
    """
    found: dict[str, str] = {}
    for tag in listed:
        if tag["TagKey"] in found:
            raise TagProblem(f"Duplicate tag keys found: {tag['TagKey']}")
        _not_reserved(tag["TagKey"])
        found[tag["TagKey"]] = tag["TagValue"]
    return _counted(found)


def _not_reserved(name: str) -> None:
    if name.lower().startswith("aws:"):
        raise TagProblem("Tags beginning with aws: are reserved for system use.")


def _counted(found: dict[str, str]) -> dict[str, str]:
    if len(found) > limits.TAGS_MAX:
        raise LimitExceeded(f"A KMS key can have at most {limits.TAGS_MAX} tags.")
    return found


def _brought(req: Mapping[str, Any]) -> access.Keys:
    return access.of_tags({tag["TagKey"]: tag["TagValue"] for tag in req["Tags"]})


def _named(req: Mapping[str, Any]) -> access.Keys:
    return {"aws:TagKeys": list(req["TagKeys"])}


@operation("TagResource", check=access.on_key("TagResource", more=_brought))
def tag_resource(ctx: Context, req: TagResourceRequest) -> None:
    """https://docs.aws.amazon.com/kms/latest/APIReference/API_TagResource.html"""
    key = find.own_key(ctx, req["KeyId"])
    find.alive(key)
    tags = _counted({**key.tags, **given(req["Tags"])})
    ctx.tx[Key].put(msgspec.structs.replace(key, tags=tags))


@operation("UntagResource", check=access.on_key("UntagResource", more=_named))
def untag_resource(ctx: Context, req: UntagResourceRequest) -> None:
    """https://docs.aws.amazon.com/kms/latest/APIReference/API_UntagResource.html"""
    key = find.own_key(ctx, req["KeyId"])
    find.alive(key)
    for name in req["TagKeys"]:
        _not_reserved(name)
    gone = set(req["TagKeys"])
    kept = {name: value for name, value in key.tags.items() if name not in gone}
    ctx.tx[Key].put(msgspec.structs.replace(key, tags=kept))


@operation("ListResourceTags", reads=True, check=access.on_key("ListResourceTags"))
def list_resource_tags(ctx: Context, req: ListResourceTagsRequest) -> ListResourceTagsResponse:
    """https://docs.aws.amazon.com/kms/latest/APIReference/API_ListResourceTags.html"""
    key = find.own_key(ctx, req["KeyId"])
    found, rest = paging.page(sorted(key.tags), str, req, most=limits.TAGS_PAGE_MAX)
    return {"Tags": [{"TagKey": name, "TagValue": key.tags[name]} for name in found], **rest}
