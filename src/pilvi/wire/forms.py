"""application/x-www-form-urlencoded: the names and values of query strings and of the query protocol's bodies."""

from functools import lru_cache
from typing import Any
from urllib.parse import unquote_plus, unquote_to_bytes

from pilvi.wire.scalars import Malformed

MEMBERS_MAX = 20_000  # of one form or query string
DEPTH_MAX = 32  # dots in one name
REMEMBERED_MAX = 1_024  # values whose decoding is remembered
REMEMBERED_LENGTH_MAX = 256

Pairs = tuple[tuple[str, str], ...]


def pairs(text: str) -> Pairs:
    """Names and values in order, decoded; a name without "=" has the value "".

    Raises:
        Malformed: too many, or not UTF-8 when decoded.
    """
    if not text:
        return ()
    if text.count("&") >= MEMBERS_MAX:
        raise Malformed(f"more than {MEMBERS_MAX} parameters")
    found = []
    for part in text.split("&"):
        if part:
            name, _, value = part.partition("=")
            found.append((decode(name), decode(value)) if "%" in part or "+" in part else (name, value))
    return tuple(found)


def decode(text: str) -> str:
    """One name or value: "+" is a space."""
    if "%" not in text and "+" not in text:
        return text
    try:
        return _remembered(text) if len(text) <= REMEMBERED_LENGTH_MAX else unquote_plus(text, errors="strict")
    except UnicodeDecodeError:
        raise Malformed("a parameter is not valid UTF-8") from None


@lru_cache(REMEMBERED_MAX)
def _remembered(text: str) -> str:
    """Clients repeat themselves: their credential stands in each URL that they presign."""
    return unquote_plus(text, errors="strict")


def decode_label(text: str) -> str:
    """A part of a path: "+" is itself."""
    if "%" not in text:
        return text
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise Malformed("the path is not valid UTF-8") from None


Tree = dict[str, Any]


def tree(found: Pairs) -> Tree:
    """`Tags.member.1.Key=a` becomes {"Tags": {"member": {"1": {"Key": "a"}}}}.

    Where a name is a value and has parts too (A=1, A.B=2), the parts win.
    """
    root: Tree = {}
    for name, value in found:
        if "." not in name:
            if root.get(name).__class__ is not dict:
                root[name] = value
            continue
        parts = name.split(".")
        if len(parts) > DEPTH_MAX:
            raise Malformed("a parameter's name has too many parts")
        node = root
        for part in parts[:-1]:
            inner = node.get(part)
            if inner.__class__ is not dict:
                inner = node[part] = {}
            node = inner
        if node.get(parts[-1]).__class__ is not dict:
            node[parts[-1]] = value
    return root
