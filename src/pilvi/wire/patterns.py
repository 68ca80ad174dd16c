r"""The regular expressions of models: written for Java, read by Python.

Java has character classes by Unicode category (\p{L}) that Python's re does not. In a pattern they become the ASCII
characters of that category and one private character that stands for all others; in a value that has characters beyond
ASCII, each of them is replaced by the private character of its category before matching.
"""

import re
import unicodedata
import warnings
from collections.abc import Callable
from functools import lru_cache

VALUE_CHARACTERS_MAX = 20_000  # longer values match only what is simple: matching must not take long
PATTERNS_MAX = 2_048  # compiled and remembered

Matches = Callable[[str], bool]

CATEGORIES = {"L": "\ue000", "M": "\ue001", "N": "\ue002", "P": "\ue003", "S": "\ue004", "Z": "\ue005", "C": "\ue006"}
ASCII_OF = {
    category: "".join(rf"\x{code:02x}" for code in range(128) if unicodedata.category(chr(code)).startswith(category))
    for category in (*CATEGORIES, "Cc", "Cf", "Lu", "Ll", "Pc", "Pd", "Zs")
}
PROPERTIES = {
    **{name: ASCII_OF[name] + CATEGORIES[name[0]] for name in ASCII_OF},
    "ASCII": r"\x00-\x7f",
    "Alnum": "a-zA-Z0-9",
    "Alpha": "a-zA-Z",
    "Blank": r" \t",
    "Cntrl": r"\x00-\x1f\x7f",
    "Digit": "0-9",
    "Graph": r"\x21-\x7e",
    "IsAlphabetic": "a-zA-Z" + CATEGORIES["L"],
    "IsWhitespace": r"\s" + CATEGORIES["Z"],
    "LD": "a-zA-Z0-9" + CATEGORIES["L"] + CATEGORIES["N"],
    "Lower": "a-z",
    "Print": r"\x20-\x7e",
    "Punct": r"!-/:-@\[-`{-~",
    "Upper": "A-Z",
    "XDigit": "0-9a-fA-F",
    "all": r"\x00-\x7f\ue000-\ue006",
}

PROPERTY = re.compile(r"\\([pP])\{?(\^?\w+)\}?")
SURROGATES = re.compile(r"\\u[dD]800\\u[dD][cC]00-\\u[dD][bB][fF]{2}\\u[dD][fF]{3}")
CLASS_THEN_HYPHEN = re.compile(r"(\\[wWdDsS])-(?!\])")
HEXADECIMAL = re.compile(r"\\x\{0*([0-9a-fA-F]{2})\}")


SIMPLE = re.compile(
    r"(?:\(\?s\))?\^?\(?(?:\[(?:[^\]\\]|\\.)*\]|\.)[*+]\)?\$?"
)  # one class of characters, any number of times


@lru_cache(PATTERNS_MAX)
def compiled(pattern: str, *, long: bool = False) -> Matches | None:
    """A test whether a whole text matches; None for what Python cannot read: that is not checked.

    Args:
        pattern: in Java's words.
        long: the model means texts longer than VALUE_CHARACTERS_MAX; those then pass unless the pattern is simple.
    """
    by_category = PROPERTY.search(pattern) is not None
    simple = SIMPLE.fullmatch(pattern) is not None
    try:
        with warnings.catch_warnings(action="ignore", category=FutureWarning):  # of what may be special one day
            found = re.compile(_translated(pattern), re.DOTALL | re.ASCII)
    except (re.error, OverflowError, KeyError):
        return None

    def matches(text: str) -> bool:
        if len(text) > VALUE_CHARACTERS_MAX and not simple:
            return long
        plain = text if not by_category or text.isascii() else "".join(map(_by_category, text))
        return found.fullmatch(plain) is not None

    return matches


def _translated(pattern: str) -> str:
    text = SURROGATES.sub(r"\\U00010000-\\U0010ffff", pattern)
    text = CLASS_THEN_HYPHEN.sub(r"\1\\-", text).replace(r"\z", r"\Z")
    text = HEXADECIMAL.sub(r"\\x\1", text)
    parts = []
    place = 0
    for found in PROPERTY.finditer(text):
        parts.append(text[place : found.start()])
        inside = _inside_class(text, found.start())
        parts.append(_property(found[2], negated=found[1] == "P", inside=inside))
        place = found.end()
        if inside and text[place : place + 2] not in {"-]", ""} and text[place] == "-":
            parts.append("\\-")  # a hyphen after a class is itself
            place += 1
    return "".join(parts) + text[place:]


def _property(name: str, *, negated: bool, inside: bool) -> str:
    if name.startswith("^"):
        name, negated = name[1:], not negated
    if not negated:
        return PROPERTIES[name] if inside else f"[{PROPERTIES[name]}]"
    if not inside:
        return f"[^{PROPERTIES[name]}]"
    others = "".join(PROPERTIES[other] for other in CATEGORIES if other != name)
    return others if name in CATEGORIES else PROPERTIES["all"]


def _inside_class(text: str, place: int) -> bool:
    opened = False
    at = 0
    while at < place:
        if text[at] == "\\":
            at += 1
        elif text[at] == "[":
            opened = True
        elif text[at] == "]":
            opened = False
        at += 1
    return opened


def _by_category(character: str) -> str:
    return character if character < "\x80" else CATEGORIES[unicodedata.category(character)[0]]
