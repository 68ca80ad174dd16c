"""One lifecycle rule as a client writes it, checked as S3 checks it, and shown again.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html
"""

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pilvi.core.errors import CloudError
from pilvi.services.s3.errors import InvalidArgument, InvalidRequest, InvalidTag, MalformedXML
from pilvi.services.s3.lifecycle.records import Rule
from pilvi.services.s3.lifecycle.transitions import check_moves, parse_moves, parse_older_moves, show_moves
from pilvi.services.s3.lifecycle.values import date, kept, midnight_ms, positive, shown_kept
from pilvi.services.s3.names import KEY_BYTES_MAX
from pilvi.services.s3.tagging.tags import KEY_CHARACTERS_MAX, VALUE_CHARACTERS_MAX

ID_CHARACTERS_MAX = 255
SIZE_BYTES_MAX = 1_099_511_627_776_000
_CONDITIONS = frozenset({"Prefix", "Tag", "ObjectSizeGreaterThan", "ObjectSizeLessThan", "And"})
Given = Mapping[str, Any]


def parse_rule(given: Given, new_id: Callable[[], str]) -> Rule:
    """A rule that S3 accepts, taken for itself.

    Args:
        new_id: makes a UUID, for a rule without an id.

    Raises:
        MalformedXML, InvalidArgument, InvalidRequest, InvalidTag: it cannot be.
    """
    name = given.get("ID") or b64encode(new_id().encode()).decode()
    if len(name) > ID_CHARACTERS_MAX:
        raise InvalidArgument(f"ID length should not exceed allowed limit of {ID_CHARACTERS_MAX}")
    if given["Status"] not in ("Enabled", "Disabled"):
        raise MalformedXML
    expiration, older, abort = (
        given.get("Expiration"),
        given.get("NoncurrentVersionExpiration"),
        given.get("AbortIncompleteMultipartUpload"),
    )
    made = Rule(
        id=name,
        enabled=given["Status"] == "Enabled",
        **_which(given),
        **(_expiration(expiration) if expiration is not None else {}),
        **(_older(older) if older is not None else {}),
        abort_days=_abort(abort) if abort is not None else None,
        moves=parse_moves(given.get("Transitions", ())),
        older_moves=parse_older_moves(given.get("NoncurrentVersionTransitions", ())),
    )
    _check(made)
    return made


# -- which objects -----------------------------------------------------------------------------------------------------


def _which(given: Given) -> dict[str, Any]:
    if "Filter" in given and "Prefix" in given:
        raise base_level_prefix()
    if "Prefix" in given:
        return {"form": "old", "prefix": _prefix(given["Prefix"])}
    if "Filter" not in given:
        raise MalformedXML
    condition = given["Filter"]
    if len(_CONDITIONS.intersection(condition)) > 1:
        raise MalformedXML
    if "And" in condition:
        return {"form": "all"} | _conditions(condition["And"], condition["And"].get("Tags", ()), least=2)
    return {"form": "one"} | _conditions(condition, [condition["Tag"]] if "Tag" in condition else (), least=0)


def base_level_prefix() -> CloudError:
    return InvalidRequest(
        "Base level prefix cannot be used in Lifecycle V2, prefixes are only supported in the Filter."
    )


def _conditions(given: Given, tags: Sequence[Given], least: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "Prefix" in given:
        found["prefix"] = _prefix(given["Prefix"])
    if tags:
        found["tags"] = tuple(_tag(tag) for tag in tags)
        if len({name for name, _ in found["tags"]}) < len(found["tags"]):
            raise InvalidRequest("Duplicate Tag Keys are not allowed.")
    if "ObjectSizeGreaterThan" in given:
        found["larger"] = _size(given, "ObjectSizeGreaterThan", 0)
    if "ObjectSizeLessThan" in given:
        found["smaller"] = _size(given, "ObjectSizeLessThan", 1)
    if len(found) - ("tags" in found) + len(tags) < least:
        raise MalformedXML
    if "larger" in found and "smaller" in found and found["smaller"] <= found["larger"]:
        raise InvalidRequest("'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'.")
    return found


def _prefix(prefix: str) -> str:
    if len(prefix.encode(errors="replace")) > KEY_BYTES_MAX:
        raise InvalidRequest(f"The maximum size of a prefix is {KEY_BYTES_MAX}.")
    return prefix


def _tag(tag: Given) -> tuple[str, str]:
    name, value = tag["Key"], tag["Value"]
    if not 1 <= len(name) <= KEY_CHARACTERS_MAX:
        raise InvalidTag("The TagKey you have provided is invalid", fields={"TagKey": name})
    if len(value) > VALUE_CHARACTERS_MAX:
        raise InvalidTag("The TagValue you have provided is invalid", fields={"TagKey": name, "TagValue": value})
    return name, value


def _size(given: Given, name: str, least: int) -> int:
    size: int = given[name]
    if not least <= size <= SIZE_BYTES_MAX:
        raise InvalidRequest(f"'{name}' should be between {least} and {SIZE_BYTES_MAX}.")
    return size


# -- what happens to them ----------------------------------------------------------------------------------------------


def _expiration(given: Given) -> dict[str, Any]:
    if len(given) != 1:
        raise MalformedXML
    if "Date" in given:
        return {"expire_date_ms": midnight_ms(given["Date"])}
    if "Days" in given:
        return {"expire_days": positive(given["Days"], "Days", "Expiration")}
    return {"expire_markers": given["ExpiredObjectDeleteMarker"]}


def _older(given: Given) -> dict[str, Any]:
    action = "NoncurrentVersionExpiration"
    if "NoncurrentDays" not in given:
        raise MalformedXML
    found = {"older_days": positive(given["NoncurrentDays"], "NoncurrentDays", action)}
    if "NewerNoncurrentVersions" in given:
        found["older_kept"] = kept(given["NewerNoncurrentVersions"], action)
    return found


def _abort(given: Given) -> int:
    if "DaysAfterInitiation" not in given:
        raise MalformedXML
    return positive(given["DaysAfterInitiation"], "DaysAfterInitiation", "AbortIncompleteMultipartUpload")


def _check(rule: Rule) -> None:
    """Raises InvalidRequest or InvalidArgument where what a rule says does not go together."""
    _check_scope(rule, "AbortIncompleteMultipartUpload", rule.abort_days)
    _check_scope(rule, "ExpiredObjectDeleteMarker", rule.expire_markers)
    expires = (rule.expire_days, rule.expire_date_ms, rule.expire_markers)
    if (*expires, rule.older_days, rule.abort_days) == (None,) * 5 and not rule.moves and not rule.older_moves:
        raise InvalidRequest("At least one action needs to be specified in a rule")
    kept_somewhere = rule.older_kept or any(move.kept for move in rule.older_moves)
    if rule.form == "old" and kept_somewhere:
        raise InvalidRequest("NewerNoncurrentVersions element can only be used in Lifecycle V2.")
    check_moves(rule)


def _check_scope(rule: Rule, action: str, wanted: object) -> None:
    """Uploads in parts and delete markers have neither tags nor a size."""
    if wanted is None:
        return
    if rule.tags:
        raise InvalidRequest(f"{action} cannot be specified with Tags.")
    if rule.larger is not None or rule.smaller is not None:
        raise InvalidRequest(f"{action} cannot be specified with Object Size.")


# -- shown again -------------------------------------------------------------------------------------------------------


def show_rule(rule: Rule) -> dict[str, Any]:
    """The rule as S3 shows it."""
    shown: dict[str, Any] = {"ID": rule.id, "Status": "Enabled" if rule.enabled else "Disabled"}
    if rule.form == "old":
        shown["Prefix"] = rule.prefix
    else:
        shown["Filter"] = _shown_filter(rule)
    if rule.expire_days is not None:
        shown["Expiration"] = {"Days": rule.expire_days}
    elif rule.expire_date_ms is not None:
        shown["Expiration"] = {"Date": date(rule.expire_date_ms)}
    elif rule.expire_markers is not None:
        shown["Expiration"] = {"ExpiredObjectDeleteMarker": rule.expire_markers}
    if rule.older_days is not None:
        shown["NoncurrentVersionExpiration"] = {"NoncurrentDays": rule.older_days} | shown_kept(rule.older_kept)
    if rule.abort_days is not None:
        shown["AbortIncompleteMultipartUpload"] = {"DaysAfterInitiation": rule.abort_days}
    return shown | show_moves(rule)


def _shown_filter(rule: Rule) -> dict[str, Any]:
    conditions: dict[str, Any] = {}
    if rule.prefix is not None:
        conditions["Prefix"] = rule.prefix
    if rule.larger is not None:
        conditions["ObjectSizeGreaterThan"] = rule.larger
    if rule.smaller is not None:
        conditions["ObjectSizeLessThan"] = rule.smaller
    tags = [{"Key": name, "Value": value} for name, value in rule.tags]
    if rule.form == "one":
        return conditions | ({"Tag": tags[0]} if tags else {})
    return {"And": conditions | ({"Tags": tags} if tags else {})}
