"""The Condition element: operators over the request's condition keys.

All keys of a block must hold; a key holds when one of its values matches, or, for a negated operator, when none does.
A key that is missing fails a positive operator and satisfies a negated one; `...IfExists` is satisfied by its absence.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
"""

import ipaddress
import operator as compare
from base64 import b64decode
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from pilvi.identity.matching import Patterns
from pilvi.identity.patterns import arn_like
from pilvi.identity.variables import Template, Values, plain

T = TypeVar("T")
Test = Callable[[Values], bool]
Matches = Callable[[str, Values], bool]  # one value of the request against all values of the policy

_NEGATED = {
    "stringnotequals": "stringequals",
    "stringnotequalsignorecase": "stringequalsignorecase",
    "stringnotlike": "stringlike",
    "numericnotequals": "numericequals",
    "datenotequals": "dateequals",
    "notipaddress": "ipaddress",
    "arnnotequals": "arnequals",
    "arnnotlike": "arnlike",
}
_ORDERS: dict[str, Callable[[float, float], bool]] = {
    "equals": compare.eq,
    "lessthan": compare.lt,
    "lessthanequals": compare.le,
    "greaterthan": compare.gt,
    "greaterthanequals": compare.ge,
}
_QUALIFIERS = ("", "forallvalues", "foranyvalue")


class BadCondition(ValueError):
    """The operator does not exist, or a value is not of its type."""


def compile_condition(operator: str, key: str, wanted: Sequence[str], *, variables: bool) -> Test:
    """One operator applied to one key.

    Raises:
        BadCondition: unknown operator, or a value that the operator cannot read.
    """
    qualifier, colon, name = operator.lower().rpartition(":")
    if qualifier not in _QUALIFIERS or (colon and not qualifier):
        raise BadCondition(operator)
    optional = name.endswith("ifexists")
    name = name.removesuffix("ifexists")
    key = key.lower()
    if name == "null" and not qualifier and not optional:
        return _null(key, wanted)
    negated = name in _NEGATED
    matches = _matches(_NEGATED.get(name, name), wanted, variables)
    missing = optional or qualifier == "forallvalues" or (negated and not qualifier)
    return _test(key, matches, qualifier, negated=negated, missing=missing)


def _test(key: str, matches: Matches, qualifier: str, *, negated: bool, missing: bool) -> Test:
    def test(values: Values) -> bool:
        found = values.get(key)
        if isinstance(found, str):
            return matches(found, values) != negated  # one value: all qualifiers agree
        return holds(found, values) if found else missing

    def holds(found: list[str], values: Values) -> bool:
        if qualifier == "forallvalues":
            return all(matches(one, values) != negated for one in found)
        if qualifier == "foranyvalue":
            return any(matches(one, values) != negated for one in found)
        return any(matches(one, values) for one in found) != negated

    return test


def _null(key: str, wanted: Sequence[str]) -> Test:
    absent = {_read(_boolean, text) == "true" for text in wanted}
    return lambda values: (values.get(key) in (None, [])) in absent


def _matches(name: str, wanted: Sequence[str], variables: bool) -> Matches:
    if name in {"stringequals", "stringequalsignorecase"}:
        return _equals(wanted, variables, fold=name.endswith("ignorecase"))
    if name == "stringlike":
        patterns = Patterns(wanted, variables=variables)
        return lambda value, values: patterns.match(value, lambda: values)
    if name in {"arnequals", "arnlike"}:
        return _arn_like([Template(text, variables=variables, wildcards=True) for text in wanted])
    for kind, read in (("numeric", _number), ("date", _seconds)):
        order = _ORDERS.get(name.removeprefix(kind)) if name.startswith(kind) else None
        if order is not None:
            return _ordered(order, read, [_read(read, text) for text in wanted])
    if name == "bool":
        booleans = frozenset(_read(_boolean, text) for text in wanted)
        return lambda value, _: value.lower() in booleans
    if name == "binaryequals":
        contents = frozenset(_read(partial(b64decode, validate=True), text) for text in wanted)
        return lambda value, _: _binary(value) in contents
    if name == "ipaddress":
        networks = [_read(partial(ipaddress.ip_network, strict=False), text) for text in wanted]
        return lambda value, _: any(_within(value, network) for network in networks)
    raise BadCondition(name)


def _read(read: Callable[[str], T], text: str) -> T:
    try:
        return read(text)
    except ValueError:
        raise BadCondition(text) from None


def _equals(wanted: Sequence[str], variables: bool, *, fold: bool) -> Matches:
    templates = [Template(text, variables=variables, wildcards=False) for text in wanted]
    fixed = [text for one in templates if one.constant is not None and (text := plain(one.constant)) is not None]
    exact = frozenset(text.lower() if fold else text for text in fixed)
    open_ones = [one for one in templates if one.constant is None]

    def matches(value: str, values: Values) -> bool:
        value = value.lower() if fold else value
        if value in exact:
            return True
        for one in open_ones:
            pattern = one.fill(values)
            text = plain(pattern) if pattern is not None else None
            if text is not None and (text.lower() if fold else text) == value:
                return True
        return False

    return matches


def _arn_like(templates: Sequence[Template]) -> Matches:
    def matches(value: str, values: Values) -> bool:
        for one in templates:
            pattern = one.constant if one.constant is not None else one.fill(values)
            if pattern is not None and arn_like(pattern, value):
                return True
        return False

    return matches


def _ordered(order: Callable[[float, float], bool], read: Callable[[str], float], limits: Sequence[float]) -> Matches:
    def matches(value: str, _: Values) -> bool:
        try:
            number = read(value)
        except ValueError:
            return False
        return any(order(number, limit) for limit in limits)

    return matches


def _number(text: str) -> float:
    number = float(text)
    if number - number != 0:  # not a number, or infinite: no JSON number
        raise ValueError(text)
    return number


def _seconds(text: str) -> float:
    """A date as seconds since 1970: ISO 8601 (UTC when it names no zone), or the number itself."""
    try:
        return _number(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _boolean(text: str) -> str:
    value = text.lower()
    if value not in {"true", "false"}:
        raise ValueError(text)
    return value


def _binary(value: str) -> bytes | None:
    try:
        return b64decode(value, validate=True)
    except ValueError:
        return None


def _within(value: str, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    try:
        return ipaddress.ip_address(value) in network
    except ValueError:
        return False
