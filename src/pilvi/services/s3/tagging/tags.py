"""Tags: few short names with values, on objects and buckets.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
"""

import re
from collections.abc import Iterable, Mapping
from urllib.parse import unquote_plus

from pilvi.core.errors import CloudError
from pilvi.services.s3.errors import BadRequest, InvalidTag, invalid_argument
from pilvi.services.s3.types import Tag

OBJECT_TAGS_MAX = 10
BUCKET_TAGS_MAX = 50
KEY_CHARACTERS_MAX = 128
VALUE_CHARACTERS_MAX = 256
_ALLOWED = re.compile(r"[\w\s+\-=.:/@]*")


def parse_header(header: str) -> dict[str, str]:
    """The tags of an x-amz-tagging header, a query string.

    Raises:
        InvalidArgument: it is not one, or names a tag twice.
        InvalidTag, BadRequest: see `check`.
    """
    pairs = []
    for item in header.split("&") if header else ():
        name, _, value = item.partition("=")
        if not name or "=" in value:
            raise _bad_header(header)
        pairs.append((unquote_plus(name), unquote_plus(value)))
    tags = dict(pairs)
    if len(tags) < len(pairs):
        raise _bad_header(header)
    return check(tags, OBJECT_TAGS_MAX)


def _bad_header(header: str) -> CloudError:
    return invalid_argument(
        "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name "
        "duplicates.",
        "x-amz-tagging",
        header,
    )


def parse_set(tag_set: Iterable[Tag], most: int) -> dict[str, str]:
    """The tags of a Tagging document."""
    tags: dict[str, str] = {}
    for tag in tag_set:
        name = tag["Key"]
        if name in tags:
            raise InvalidTag("Cannot provide multiple Tags with the same key", fields={"TagKey": name})
        tags[name] = tag["Value"]
    return check(tags, most)


def check(tags: dict[str, str], most: int) -> dict[str, str]:
    """The same tags.

    Raises:
        BadRequest: more than `most`.
        InvalidTag: a name or value is too long or uses characters that are not allowed.
    """
    if len(tags) > most:
        what = "Object" if most == OBJECT_TAGS_MAX else "Bucket"
        raise BadRequest(f"{what} tags cannot be greater than {most}")
    for name, value in tags.items():
        if not 1 <= len(name) <= KEY_CHARACTERS_MAX or not _ALLOWED.fullmatch(name):
            raise InvalidTag("The TagKey you have provided is invalid", fields={"TagKey": name})
        if len(value) > VALUE_CHARACTERS_MAX or not _ALLOWED.fullmatch(value):
            raise InvalidTag("The TagValue you have provided is invalid", fields={"TagKey": name, "TagValue": value})
        if name.startswith("aws:"):
            raise InvalidTag("System tags cannot be added/updated by requester", fields={"TagKey": name})
    return tags


def as_set(tags: Mapping[str, str]) -> list[Tag]:
    return [{"Key": name, "Value": value} for name, value in sorted(tags.items())]
