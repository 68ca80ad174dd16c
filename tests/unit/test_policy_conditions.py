"""Every condition operator over present, missing and several values."""

import pytest

from policies import allow, allowed

KEY = "my:Key"


def holds(operator, wanted, *values, key=KEY):
    """Whether a condition holds when the request's key has these values (none: the key is missing)."""
    request = {} if not values else {key: values[0] if len(values) == 1 else list(values)}
    return allowed(allow(Condition={operator: {key: wanted}}), request=request)


TABLE = [
    # operator, wanted, value, holds
    ("StringEquals", "a", "a", True),
    ("StringEquals", ["b", "a"], "a", True),
    ("StringEquals", "a", "A", False),
    ("StringEquals", "a*", "abc", False),
    ("StringEquals", "a*", "a*", True),
    ("StringEqualsIgnoreCase", "aB", "Ab", True),
    ("StringEqualsIgnoreCase", "a", "b", False),
    ("StringLike", "a*c", "abbc", True),
    ("StringLike", "a?c", "abc", True),
    ("StringLike", "a?c", "ac", False),
    ("StringLike", "a*", "A", False),
    ("StringLike", "a:*:d", "a:b:c:d", True),
    ("NumericEquals", "5", "5.0", True),
    ("NumericEquals", 5, "5", True),
    ("NumericEquals", "5", "6", False),
    ("NumericLessThan", "5", "4", True),
    ("NumericLessThan", "5", "5", False),
    ("NumericLessThanEquals", "5", "5", True),
    ("NumericGreaterThan", "5", "10", True),
    ("NumericGreaterThan", "5", "5", False),
    ("NumericGreaterThanEquals", "5", "5", True),
    ("NumericEquals", "5", "five", False),
    ("NumericEquals", "5", "nan", False),
    ("DateEquals", "2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", True),
    ("DateEquals", "1767225600", "2026-01-01T00:00:00Z", True),
    ("DateLessThan", "2026-01-01T00:00:00Z", "2025-12-31T23:59:59Z", True),
    ("DateLessThan", "2026-01-01", "2026-01-01", False),
    ("DateLessThanEquals", "2026-01-01", "2026-01-01T00:00:00Z", True),
    ("DateGreaterThan", "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z", True),
    ("DateGreaterThanEquals", "2026-01-01T00:00:00Z", "2025-12-31T00:00:00Z", False),
    ("DateEquals", "2026-01-01T00:00:00Z", "yesterday", False),
    ("Bool", "true", "true", True),
    ("Bool", True, "True", True),
    ("Bool", "false", "true", False),
    ("Bool", "true", "yes", False),
    ("BinaryEquals", "QmluYXJ5", "QmluYXJ5", True),
    ("BinaryEquals", "QmluYXJ5", "QmluYXJ6", False),
    ("BinaryEquals", "QmluYXJ5", "?", False),
    ("IpAddress", "10.0.0.0/8", "10.1.2.3", True),
    ("IpAddress", "10.0.0.7/8", "10.1.2.3", True),
    ("IpAddress", "10.1.2.3", "10.1.2.3", True),
    ("IpAddress", ["192.168.0.0/16", "10.0.0.0/8"], "10.1.2.3", True),
    ("IpAddress", "10.0.0.0/8", "11.1.2.3", False),
    ("IpAddress", "2001:db8::/32", "2001:db8::1", True),
    ("IpAddress", "10.0.0.0/8", "2001:db8::1", False),
    ("IpAddress", "10.0.0.0/8", "localhost", False),
    ("ArnEquals", "arn:aws:s3:::photos*", "arn:aws:s3:::photos-2", True),
    ("ArnLike", "arn:aws:sns:*:1:t", "arn:aws:sns:eu-west-1:1:t", True),
    ("ArnLike", "arn:aws:sns:*:t", "arn:aws:sns:eu-west-1:1:t", False),
]
NEGATIONS = {
    "StringEquals": "StringNotEquals",
    "StringEqualsIgnoreCase": "StringNotEqualsIgnoreCase",
    "StringLike": "StringNotLike",
    "NumericEquals": "NumericNotEquals",
    "DateEquals": "DateNotEquals",
    "IpAddress": "NotIpAddress",
    "ArnEquals": "ArnNotEquals",
    "ArnLike": "ArnNotLike",
}


@pytest.mark.parametrize(("operator", "wanted", "value", "expected"), TABLE)
def test_an_operator_compares_one_value(operator, wanted, value, expected):
    """And its negation says the opposite; operators have no case."""
    assert holds(operator, wanted, value) is expected
    assert holds(operator.upper(), wanted, value) is expected
    if operator in NEGATIONS:
        assert holds(NEGATIONS[operator], wanted, value) is not expected


@pytest.mark.parametrize(("operator", "wanted"), [(row[0], row[1]) for row in TABLE])
def test_a_missing_key(operator, wanted):
    """Fails a positive operator, satisfies a negated one and every ...IfExists."""
    assert not holds(operator, wanted)
    assert holds(f"{operator}IfExists", wanted)
    if operator in NEGATIONS:
        assert holds(NEGATIONS[operator], wanted)
        assert holds(f"{NEGATIONS[operator]}IfExists", wanted)


@pytest.mark.parametrize(("operator", "wanted", "value", "expected"), TABLE)
def test_if_exists_still_compares_what_exists(operator, wanted, value, expected):
    """The suffix forgives absence only."""
    assert holds(f"{operator}IfExists", wanted, value) is expected


def test_null_asks_for_absence():
    """Null true: the key is missing; Null false: it is there."""
    assert holds("Null", "true")
    assert holds("Null", True)
    assert not holds("Null", "true", "x")
    assert holds("Null", "false", "x")
    assert holds("Null", "false", "")
    assert not holds("Null", "false")


class TestSets:
    def test_for_all_values(self):
        """Every value of the request must be among the wanted; none at all is fine too."""
        assert holds("ForAllValues:StringEquals", ["a", "b"], "a", "b")
        assert holds("ForAllValues:StringEquals", ["a", "b"], "a")
        assert not holds("ForAllValues:StringEquals", ["a", "b"], "a", "c")
        assert holds("ForAllValues:StringEquals", ["a"])
        assert holds("forallvalues:StringLike", ["a*"], "ab", "ac")

    def test_for_any_value(self):
        """One value of the request must be among the wanted."""
        assert holds("ForAnyValue:StringEquals", ["a", "b"], "x", "b")
        assert not holds("ForAnyValue:StringEquals", ["a", "b"], "x", "y")
        assert not holds("ForAnyValue:StringEquals", ["a"])

    def test_negations_apply_to_each_value(self):
        """ForAllValues:StringNotEquals: none of the values; ForAnyValue:StringNotEquals: one is something else."""
        assert holds("ForAllValues:StringNotEquals", ["a"], "b", "c")
        assert not holds("ForAllValues:StringNotEquals", ["a"], "a", "c")
        assert holds("ForAnyValue:StringNotEquals", ["a"], "a", "c")
        assert not holds("ForAnyValue:StringNotEquals", ["a"], "a")
        assert not holds("ForAnyValue:StringNotEquals", ["a"])

    def test_an_empty_list_is_no_value(self):
        """TagKeys of a request without tags."""
        condition = {"ForAllValues:StringEquals": {KEY: "a"}}
        assert allowed(allow(Condition=condition), request={KEY: []})
        assert not allowed(allow(Condition={"ForAnyValue:StringEquals": {KEY: "a"}}), request={KEY: []})

    def test_several_values_without_qualifier(self):
        """One match is enough, and a negation wants none."""
        assert holds("StringEquals", "a", "x", "a")
        assert not holds("StringNotEquals", "a", "x", "a")


def test_all_keys_and_operators_must_hold():
    """Values are alternatives, keys and operators are not."""
    condition = {"StringEquals": {"my:A": ["1", "2"], "my:B": "3"}, "Bool": {"my:C": "true"}}
    full = {"my:A": "2", "my:B": "3", "my:C": "true"}
    assert allowed(allow(Condition=condition), request=full)
    for key in full:
        assert not allowed(allow(Condition=condition), request={**full, key: "other"})


def test_keys_have_no_case():
    """Neither in the policy nor in the request."""
    assert allowed(allow(Condition={"StringEquals": {"S3:Prefix": "a"}}), request={"s3:prefix": "a"})
