"""What policies can know of the access control list in a request.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html#amazons3-policy-keys
"""

from collections.abc import Mapping
from typing import Any

from pilvi.services.s3.acls.parse import HEADERS

KEYS = {"ACL": "s3:x-amz-acl", **{member: f"s3:{header}" for member, (header, _) in HEADERS.items()}}
"""A request's member: the condition key."""


def list_conditions(req: Mapping[str, Any]) -> dict[str, str | list[str]]:
    return {key: req[member] for member, key in KEYS.items() if member in req}
