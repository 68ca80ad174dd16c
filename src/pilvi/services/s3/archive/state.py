"""Whether an object lies in an archive, and whether it can be read now.

The classes GLACIER and DEEP_ARCHIVE are labels with one consequence, AWS's: their objects are read only while a restored copy
is there. Nothing is moved anywhere, so a restore is done as soon as it is asked for.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/restoring-objects.html
"""

from collections.abc import Mapping
from typing import Any

from pilvi.services.s3.conditions import http_date, when
from pilvi.services.s3.errors import InvalidObjectState, ObjectNotInActiveTierError
from pilvi.services.s3.records import StoredObject

CLASSES = frozenset({"GLACIER", "DEEP_ARCHIVE"})


def check_active(found: StoredObject, now_ms: int) -> None:
    """Raises InvalidObjectState for what lies in an archive and is not restored."""
    if _lies_there(found, now_ms):
        raise InvalidObjectState(fields={"StorageClass": found.storage_class})


def check_active_source(found: StoredObject, now_ms: int) -> None:
    """Raises ObjectNotInActiveTierError for what a copy cannot be made of."""
    if _lies_there(found, now_ms):
        raise ObjectNotInActiveTierError


def _lies_there(found: StoredObject, now_ms: int) -> bool:
    return found.storage_class in CLASSES and found.restored_until_ms <= now_ms


def shown(found: StoredObject, now_ms: int) -> Mapping[str, Any]:
    """The member of GET's and HEAD's answers that tells of a restored copy."""
    if found.restored_until_ms <= now_ms:
        return {}
    return {"Restore": f'ongoing-request="false", expiry-date="{http_date(when(found.restored_until_ms))}"'}
