"""Filter patterns: which messages a search is after. Pure; compiled once per search.

    ERROR "not found" -debug        all of these terms, none with a minus sign
    ?ERROR ?WARN                    any of these terms
    { $.level = "error" && $.ms > 100 }          fields of JSON messages
    [ip, user, ..., status = 4*, size > 1000]    words of a message, quoted and bracketed runs being one word

Regular expressions between % signs are not built.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
"""

import re
from collections.abc import Callable

from pilvi.core.errors import NotBuilt
from pilvi.services.logs import fieldpatterns
from pilvi.services.logs.errors import InvalidParameter

Matches = Callable[[str], bool]
_TERM = re.compile(r'\s*([-?]?)(?:"((?:[^"\\]|\\.)*)"|([A-Za-z0-9_]+|%[^%]*%))(?=\s|$)')


def compile_pattern(pattern: str) -> Matches:
    """What tells whether a message matches.

    Raises:
        InvalidParameter: not a pattern.
        NotBuilt: a regular expression.
    """
    text = pattern.strip()
    if not text:
        return lambda _message: True
    if text[0] == "{":
        return fieldpatterns.json_pattern(text)
    if text[0] == "[":
        return fieldpatterns.words_pattern(text)
    return _terms(text)


def _terms(text: str) -> Matches:
    wanted: list[str] = []
    unwanted: list[str] = []
    choices: list[str] = []
    at = 0
    while at < len(text):
        match = _TERM.match(text, at)
        if match is None:
            raise InvalidParameter(f"Invalid character(s) in term '{text[at:].strip()}'")
        at = match.end()
        if match[3] and match[3][0] == "%":
            raise NotBuilt("logs: regular expressions in filter patterns are not built.")
        term = match[3] if match[3] is not None else re.sub(r"\\(.)", r"\1", match[2])
        {"": wanted, "-": unwanted, "?": choices}[match[1]].append(term)
    if wanted or unwanted:  # with others beside them, optional terms decide nothing
        return lambda message: all(term in message for term in wanted) and not any(term in message for term in unwanted)
    return lambda message: any(term in message for term in choices)
