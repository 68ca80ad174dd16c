"""Filter patterns over fields: of JSON messages, and of messages made of words. Pure.

    expression = both, ("||" both)*        both = one, ("&&" one)*        one = "(" expression ")" | test
    test       = selector ("=" | "!=" | "<" | "<=" | ">" | ">=") value
               | selector "IS" ("NULL" | "TRUE" | "FALSE") | selector ["NOT"] "EXISTS"

A test of a field that is not there is false, whatever it asks (but for NOT EXISTS).
"""

import math
import re
from collections.abc import Callable
from typing import Any

import msgspec

from pilvi.core.errors import NotBuilt
from pilvi.services.logs.errors import InvalidParameter

Matches = Callable[[str], bool]
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<punct>\|\||&&|!=|<=|>=|[()\[\],=<>{}]|\.\.\.)
    | "(?P<text>(?:[^"\\]|\\.)*)"
    | (?P<regex>%[^%]*%)
    | (?P<selector>\$(?:\.[A-Za-z0-9_\-@#]+|\.?\['[^']*'\]|\.?\["[^"]*"\]|\[(?:\d+|\*)\])+)
    | (?P<word>[^\s()\[\]{},=<>!&|"%$]+)
    )""",
    re.VERBOSE,
)
_STEP = re.compile(r"""\.([A-Za-z0-9_\-@#]+)|\.?\['([^']*)'\]|\.?\["([^"]*)"\]|\[(\d+|\*)\]""")
_NUMBER = re.compile(r"[-+]?(?:\d++\.?+\d*+|\.\d++)(?:[eE][-+]?\d++)?")  # possessive: messages are held against it
_ORDERS: dict[str, Callable[[float, float], bool]] = {
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}
_NESTING_MAX = 50


def json_pattern(text: str) -> Matches:
    """{ ... }: messages that are JSON objects (or arrays) and satisfy the expression.

    Raises:
        InvalidParameter: not such a pattern.
        NotBuilt: a regular expression.
    """
    parser = _Parser(text)
    parser.expect("{")
    test = parser.expression(parser.json_test)
    parser.expect("}")
    parser.end()

    def matches(message: str) -> bool:
        try:
            document = msgspec.json.decode(message)
        except (msgspec.DecodeError, RecursionError):
            return False
        return isinstance(document, dict | list) and test(document)

    return matches


def words_pattern(text: str) -> Matches:
    """[ ... ]: messages with as many words as there are fields (... stands for any number), tests on fields satisfied.

    Raises:
        InvalidParameter: not such a pattern.
        NotBuilt: a regular expression.
    """
    parser = _Parser(text)
    parser.expect("[")
    slots: list[str | None] = []
    tests: list[Callable[[Any], bool]] = []
    while True:
        if parser.accept("..."):
            slots.append(None)
        else:
            name = parser.word(f"field{len(slots)}")
            slots.append(name)
            test = parser.rest_of_slot(name)
            if test is not None:
                tests.append(test)
        if not parser.accept(","):
            break
    parser.expect("]")
    parser.end()
    if slots.count(None) > 1:
        raise InvalidParameter("Invalid filter pattern: '...' may stand once.")
    return lambda message: _slots_match(split_words(message), slots, tests)


def _slots_match(words: list[str], slots: list[str | None], tests: list[Callable[[Any], bool]]) -> bool:
    if None in slots:
        before = slots.index(None)
        after = len(slots) - before - 1
        if len(words) < before + after:
            return False
        words = [*words[:before], "", *words[len(words) - after :]]
    elif len(words) != len(slots):
        return False
    fields = {name: word for name, word in zip(slots, words, strict=True) if name is not None}
    return all(test(fields) for test in tests)


def split_words(message: str) -> list[str]:
    """Words of a message; what stands in quotes or square brackets is one."""
    words: list[str] = []
    at, last = 0, message.rfind("]")
    while at <= last and (found := _WORDS.search(message, at)) is not None:
        words.append(found[1] or found[2] or found[3] or "")
        at = found.end()
    return words + [quoted or plain for quoted, plain in _OPEN_WORDS.findall(message, at)]


_WORDS = re.compile(r'"([^"]*)"|\[([^\]]*)\]|(\S+)')
_OPEN_WORDS = re.compile(
    r'"([^"]*)"|(\S+)'
)  # where no bracket closes, none is looked for: "[ [ [ ..." must not cost its square


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(self._scan(text))
        self._at = 0
        self._depth = 0

    def _scan(self, text: str) -> Any:
        at = 0
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                if not text[at:].strip():
                    return
                raise self._invalid()
            if match.lastgroup == "regex":
                raise NotBuilt("logs: regular expressions in filter patterns are not built.")
            at = match.end()
            yield match.lastgroup, match[match.lastgroup or 0]

    def _invalid(self) -> InvalidParameter:
        return InvalidParameter(f"Invalid filter pattern: {self._text}")

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "")

    def accept(self, punct: str) -> bool:
        if self._peek() == ("punct", punct):
            self._at += 1
            return True
        return False

    def expect(self, punct: str) -> None:
        if not self.accept(punct):
            raise self._invalid()

    def end(self) -> None:
        if self._at != len(self._tokens):
            raise self._invalid()

    def _take(self, *kinds: str) -> tuple[str, str]:
        kind, text = self._peek()
        if kind not in kinds:
            raise self._invalid()
        self._at += 1
        return kind, text

    def word(self, otherwise: str) -> str:
        """A field's name; `otherwise` when the slot is empty."""
        return self._take("word")[1] if self._peek()[0] == "word" else otherwise

    def expression(self, test: Callable[[], Callable[[Any], bool]]) -> Callable[[Any], bool]:
        self._depth += 1
        if self._depth > _NESTING_MAX:
            raise self._invalid()
        alternatives = [self._all(test)]
        while self.accept("||"):
            alternatives.append(self._all(test))
        self._depth -= 1
        return alternatives[0] if len(alternatives) == 1 else lambda value: any(one(value) for one in alternatives)

    def _all(self, test: Callable[[], Callable[[Any], bool]]) -> Callable[[Any], bool]:
        parts = [self._one(test)]
        while self.accept("&&"):
            parts.append(self._one(test))
        return parts[0] if len(parts) == 1 else lambda value: all(one(value) for one in parts)

    def _one(self, test: Callable[[], Callable[[Any], bool]]) -> Callable[[Any], bool]:
        if self.accept("("):
            inner = self.expression(test)
            self.expect(")")
            return inner
        return test()

    def json_test(self) -> Callable[[Any], bool]:
        find = _selector(self._take("selector")[1])
        if self._peek()[0] == "word":
            return self._keyword_test(find)
        compare = self._comparison()
        return lambda document: any(compare(value) for value in find(document))

    def _keyword_test(self, find: Callable[[Any], list[Any]]) -> Callable[[Any], bool]:
        words = [self._take("word")[1].upper()]
        if words[0] in {"IS", "NOT"}:
            words.append(self._take("word")[1].upper())
        match words:
            case ["EXISTS"]:
                return lambda document: bool(find(document))
            case ["NOT", "EXISTS"]:
                return lambda document: not find(document)
            case ["IS", "NULL"]:
                return lambda document: any(value is None for value in find(document))
            case ["IS", "TRUE"]:
                return lambda document: any(value is True for value in find(document))
            case ["IS", "FALSE"]:
                return lambda document: any(value is False for value in find(document))
        raise self._invalid()

    def rest_of_slot(self, name: str) -> Callable[[Any], bool] | None:
        """What stands after a field's name: "= 4* || name = 500", or nothing."""
        if self._peek() in {("punct", ","), ("punct", "]")}:
            return None
        first = [True]

        def test() -> Callable[[Any], bool]:
            if not first:
                if self._take("word")[1] != name:
                    raise self._invalid()
            else:
                first.clear()
            compare = self._comparison()
            return lambda fields: compare(fields[name])

        return self.expression(test)

    def _comparison(self) -> Callable[[Any], bool]:
        operator = self._take("punct")[1]
        kind, text = self._take("word", "text")
        if operator in _ORDERS:
            if not _NUMBER.fullmatch(text):
                raise self._invalid()
            return _ordered(_ORDERS[operator], float(text))
        if operator not in {"=", "!="}:
            raise self._invalid()
        literal = re.sub(r"\\(.)", r"\1", text) if kind == "text" else text
        equal = _equal(literal, quoted=kind == "text")
        return equal if operator == "=" else lambda value: not equal(value)


def _ordered(order: Callable[[float, float], bool], bound: float) -> Callable[[Any], bool]:
    def compare(value: Any) -> bool:
        number = _number(value)
        return number is not None and order(number, bound)

    return compare


def _equal(literal: str, *, quoted: bool) -> Callable[[Any], bool]:
    if "*" in literal:
        return lambda value: glob(literal, _as_text(value))
    number = None if quoted or not _NUMBER.fullmatch(literal) else float(literal)

    def equal(value: Any) -> bool:
        if number is not None:
            found = _number(value)
            if found is not None:
                return found == number
        return _as_text(value) == literal

    return equal


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return _float(value)
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return float(value)
    return None


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # JSON has no largest number
        return math.inf if value > 0 else -math.inf


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def glob(pattern: str, text: str) -> bool:
    """Whether the text matches; * stands for any run of characters. Linear in the text for each star."""
    first, *middle, last = pattern.split("*")
    if not text.startswith(first) or not text.endswith(last) or len(text) < len(first) + len(last):
        return False
    at, end = len(first), len(text) - len(last)
    for piece in middle:
        found = text.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True


def _selector(text: str) -> Callable[[Any], list[Any]]:
    """$.a.b[0]['c d']: the values that it points to; more than one only with [*]."""
    steps = [(name or single or double, index) for name, single, double, index in _STEP.findall(text)]

    def find(document: Any) -> list[Any]:
        found = [document]
        for name, index in steps:
            found = [value for one in found for value in _follow(one, name, index)]
        return found

    return find


def _follow(value: Any, name: str, index: str) -> list[Any]:
    if not index:
        return [value[name]] if isinstance(value, dict) and name in value else []
    if not isinstance(value, list):
        return []
    if index == "*":
        return value
    return [value[int(index)]] if int(index) < len(value) else []
