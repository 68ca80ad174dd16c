"""What strangers send costs in proportion to its length: no expression backtracks, no memory of ours is theirs."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from pilvi.identity.variables import Template
from pilvi.services.logs.patterns import compile_pattern
from pilvi.wire import headers, protocol, route
from pilvi.wire.http import Request
from pilvi.wire.scalars import Malformed

SECONDS_MAX = 2.0  # for what takes milliseconds when it is linear, and minutes when it is not
SIZE = 30_000


def split(text: str) -> None:
    try:
        headers.split(text)
    except Malformed:
        return


def template(text: str) -> None:
    Template(text, variables=True, wildcards=True)


def fallback(text: str) -> None:
    protocol.fallback(Request("GET", "/", text, {"authorization": text}))


def host(text: str) -> None:
    route.virtual_bucket(text)


def words(text: str) -> None:
    compile_pattern("[first, second, ..., last]")(text)


def number(text: str) -> None:
    compile_pattern("{ $.a > 5 }")(text)


@pytest.mark.parametrize(
    ("take", "text"),
    [
        (words, "[ " * SIZE * 4),
        (words, '" [ ' * SIZE),
        (words, "] " + "[ " * SIZE * 4),
        (number, '{"a":"' + "1" * SIZE * 4 + 'x"}'),
        (number, '{"a":' + "1" * 4_000 + "}"),
        (split, "a," + " " * SIZE + 'x"'),
        (split, 'a,"' + "\\" * SIZE),
        (split, " " * SIZE + '"'),
        (split, ",".join('"a"' for _ in range(SIZE))),
        (template, "${a" + " " * SIZE + "b}"),
        (template, "${a" + ", '" * SIZE + "b}"),
        (template, "${a" + ",'" * SIZE + "'}"),
        (template, "${" * SIZE),
        (fallback, "/" * SIZE + "aws4_request"),
        (fallback, "/a" * SIZE + "/aws4_reques"),
        (fallback, "/" + "a" * SIZE),
        (host, "s3." * SIZE),
        (host, ".s3-aa-a" * SIZE),
        (host, "s3-aa-" + "a-1" * SIZE),
    ],
)
def test_time(take: Callable[[str], None], text: str) -> None:
    """Texts made so that a careless expression tries every way to split them."""
    begun = time.perf_counter()
    take(text)
    assert time.perf_counter() - begun < SECONDS_MAX
