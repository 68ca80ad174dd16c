"""Filter patterns of CloudWatch Logs, as its documentation shows them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilvi.core.errors import NotBuilt
from pilvi.services.logs.errors import InvalidParameter
from pilvi.services.logs.fieldpatterns import glob, split_words
from pilvi.services.logs.patterns import compile_pattern

EVENT = {
    "eventType": "UpdateTrail",
    "sourceIPAddress": "111.111.111.111",
    "arrayKey": ["value", "another value"],
    "objectList": [{"name": "a", "id": 1}, {"name": "b", "id": 2}],
    "SomeObject": None,
    "cluster.name": "c",
    "errorCode": 400,
    "latency": 12.5,
    "ok": True,
    "deep": {"er": {"still": "here"}},
}


def matches(pattern: str, message: str) -> bool:
    return compile_pattern(pattern)(message)


@pytest.mark.parametrize(
    ("pattern", "message", "expected"),
    [
        ("", "anything", True),
        ("   ", "anything", True),
        ("ERROR", "[ERROR 400] BAD REQUEST", True),
        ("ERROR", "Exiting with ERRORCODE: -1", True),
        ("ERROR", "an error", False),
        ("ERROR ARGUMENTS", "[ERROR] INVALID ARGUMENTS", True),
        ("ERROR ARGUMENTS", "[ERROR] INVALID", False),
        ('"INTERNAL SERVER ERROR"', "[ERROR 500] INTERNAL SERVER ERROR", True),
        ('"INTERNAL SERVER ERROR"', "INTERNAL ERROR SERVER", False),
        (r'"say \"yes\""', 'they say "yes"', True),
        ("ERROR -ARGUMENTS", "[ERROR] MISSING ARGUMENTS", False),
        ("ERROR -ARGUMENTS", "[ERROR] NO", True),
        ("-ERROR", "fine", True),
        ("-ERROR", "ERROR", False),
        ('-"not this"', "it is not this", False),
        ("?ERROR ?ARGUMENTS", "[WARN] ARGUMENTS", True),
        ("?ERROR ?ARGUMENTS", "[ERROR] X", True),
        ("?ERROR ?ARGUMENTS", "[INFO] X", False),
        ("INFO ?ERROR ?WARN", "INFO alone", True),
        ("INFO ?ERROR ?WARN", "ERROR", False),
    ],
)
def test_terms(pattern, message, expected):
    """All terms, none of the excluded, any of the optional; optional ones count only among themselves."""
    assert matches(pattern, message) is expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ('{ $.eventType = "UpdateTrail" }', True),
        ('{ $.eventType = "updatetrail" }', False),
        ("{ $.eventType = UpdateTrail }", True),
        ('{ $.eventType = "Update*" }', True),
        ('{ $.eventType = "*Trail" }', True),
        ('{ $.eventType != "UpdateTrail" }', False),
        ('{ $.eventType != "Other" }', True),
        ("{ $.sourceIPAddress != 123.123.* }", True),
        ("{ $.sourceIPAddress = 111.111.* }", True),
        ('{ $.arrayKey[0] = "value" }', True),
        ('{ $.arrayKey[1] = "value" }', False),
        ('{ $.arrayKey[*] = "another value" }', True),
        ("{ $.arrayKey[7] = 1 }", False),
        ("{ $.objectList[1].id = 2 }", True),
        ("{ $.objectList[*].id = 2 }", True),
        ("{ $.objectList[*].id = 3 }", False),
        ("{ $.SomeObject IS NULL }", True),
        ("{ $.eventType IS NULL }", False),
        ("{ $.absent IS NULL }", False),
        ("{ $.absent NOT EXISTS }", True),
        ("{ $.eventType NOT EXISTS }", False),
        ("{ $.eventType EXISTS }", True),
        ("{ $.ok IS TRUE }", True),
        ("{ $.ok IS FALSE }", False),
        ("{ $.errorCode = 400 }", True),
        ("{ $.errorCode = 4* }", True),
        ("{ $.errorCode = 5* }", False),
        ("{ $.errorCode >= 400 && $.errorCode < 500 }", True),
        ("{ $.errorCode > 400 }", False),
        ("{ $.latency > 1.2e1 }", True),
        ("{ $.latency <= -3 }", False),
        ("{ $.eventType > 3 }", False),
        ("{ $.['cluster.name'] = \"c\" }", True),
        ('{ $.deep.er.still = "here" }', True),
        ('{ $.deep.er.gone = "here" }', False),
        ("{ $.absent != 3 }", False),
        ("{ ($.errorCode = 1) || ($.ok IS TRUE && $.latency = 12.5) }", True),
        ("{ ($.errorCode = 1 || $.ok IS TRUE) && $.latency = 1 }", False),
        ("{$.errorCode=400}", True),
    ],
)
def test_json_fields(pattern, expected):
    """Selectors, comparisons, wildcards, IS and EXISTS, && before ||, parentheses."""
    assert matches(pattern, json.dumps(EVENT)) is expected


@pytest.mark.parametrize("message", ["", "plain", "{broken", "3", '"text"', "null"])
def test_what_is_not_a_json_document_never_matches(message):
    """A JSON pattern is only about objects and arrays; anything else is no match and no error."""
    assert matches("{ $.a NOT EXISTS }", message) is False


def test_a_message_of_hostile_depth_is_no_error():
    """Brackets without end in a message cost no more than the message."""
    assert matches("{ $.a = 1 }", "[" * 100_000 + "]" * 100_000) is False


LINE = '127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534'


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("[ip, logger, username, time, request, status, size]", True),
        ("[ip, logger, username]", False),
        ("[ip, ..., size]", True),
        ("[..., status = 4*, size]", True),
        ("[..., status = 5*, size]", False),
        ("[ip, logger, username, time, request = *.html*, status = 404, ...]", True),
        ("[..., request = *.png*, status, size]", False),
        ("[..., size > 1000]", True),
        ("[..., size < 1000]", False),
        ("[ip, logger, username = frank || username = jane, ...]", True),
        ("[ip, logger, username != frank && username != jane, ...]", False),
        ('[ip = "127.0.0.1", ...]', True),
        ("[...]", True),
        ("[a, b, c, d, e, f, g, h, ...]", False),
    ],
)
def test_words(pattern, expected):
    """Fields stand for words; a quoted or bracketed run is one; ... stands for any number of them."""
    assert matches(pattern, LINE) is expected


def test_words_of_a_message():
    """Quotes and brackets hold words together and are not part of them."""
    assert split_words('a "b c" [d e] f') == ["a", "b c", "d e", "f"]
    assert split_words("") == []


@pytest.mark.parametrize(
    "pattern",
    [
        "ERROR!", '"open', "{ $.a = }", "{ $.a }", "{ a = 1 }", "{ $.a = 1", "{ $.a > x }", "{ $.a = 1 } rest",
        "{ }", "{ $.a IS NOTHING }", "{ $.a && $.b }", "[a, b", "[..., ...]", "[a = 1 || b = 2]", "[a > x]",
        "{ " + "(" * 60 + "$.a = 1" + ")" * 60 + " }",
    ],
)  # fmt: skip
def test_what_is_no_pattern_is_refused(pattern):
    """Broken patterns are InvalidParameterException, never a search for something else."""
    with pytest.raises(InvalidParameter):
        compile_pattern(pattern)


@pytest.mark.parametrize("pattern", ["%[Ee]rror%", "{ $.a = %x% }", "[a = %x%]"])
def test_regular_expressions_say_that_they_are_not_built(pattern):
    """501 rather than a wrong answer."""
    with pytest.raises(NotBuilt):
        compile_pattern(pattern)


@given(st.text(max_size=60))
def test_any_text_is_a_pattern_or_refused(pattern):
    """No pattern whatever breaks the server: it compiles, or is refused with an error that the client sees."""
    try:
        found = compile_pattern(pattern)
    except (InvalidParameter, NotBuilt):
        return
    assert found(json.dumps(EVENT)) in {True, False}
    assert found(LINE) in {True, False}


@given(st.lists(st.text("ab", max_size=3), min_size=2, max_size=4), st.text("ab", max_size=12))
def test_glob_is_what_a_regular_expression_would_say(pieces, text):
    """* is any run of characters, everything else itself."""
    import re

    expected = re.fullmatch(".*".join(map(re.escape, pieces)), text, re.DOTALL) is not None
    assert glob("*".join(pieces), text) is expected
