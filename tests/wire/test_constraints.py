"""Constraints of the models: which inputs are refused, and in which words."""

from __future__ import annotations

import re
import time
from typing import Any

import msgspec
import pytest

from pilvi.core.errors import CloudError
from pilvi.wire import model, patterns, protocol, validate


def problems(service: str, operation: str, **value: Any) -> tuple[str, str]:
    codec = protocol.codec(service, model.load(service).protocols[0])
    try:
        codec.validate(operation, value)
    except CloudError as error:
        return error.code, error.message
    return "", ""


def text(*each: str) -> str:
    return validate.text_of(list(each))


def failed(value: str, where: str, rule: str) -> str:
    return f"Value '{value}' at '{where}' failed to satisfy constraint: {rule}"


NAME = "Member must satisfy regular expression pattern: [\\w+=,.@-]+"
TAG = "Member must satisfy regular expression pattern: [\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]+"


def test_nothing_wrong() -> None:
    """An input within its constraints passes."""
    assert problems("iam", "CreateUser", UserName="bob", Path="/a/", Tags=[{"Key": "käy 1", "Value": ""}]) == ("", "")


def test_missing() -> None:
    """A member that is required and not there is null."""
    message = (
        "1 validation error detected: Value null at 'userName' failed to satisfy constraint: Member must not be null"
    )
    assert problems("iam", "CreateUser") == ("ValidationError", message)


def test_several() -> None:
    """All that is wrong is told at once, counted; of a value's rules the pattern comes first."""
    assert problems("iam", "CreateUser", UserName="")[1] == text(
        failed("", "userName", NAME), failed("", "userName", "Member must have length greater than or equal to 1")
    )
    assert problems("iam", "CreateUser", UserName="x" * 65)[1] == text(
        failed("x" * 65, "userName", "Member must have length less than or equal to 64")
    )


def test_inside_lists() -> None:
    """A member of a structure in a list is named with its number."""
    assert problems("iam", "CreateUser", UserName="a", Tags=[{"Key": "ok", "Value": ""}, {"Key": "#", "Value": ""}])[
        1
    ] == text(failed("#", "tags.2.member.key", TAG))
    assert problems("iam", "CreateUser", UserName="a", Tags=[{"Key": "k"}])[1] == text(
        "Value null at 'tags.1.member.value' failed to satisfy constraint: Member must not be null"
    )


def test_scalars_in_lists() -> None:
    """A scalar in a list is reported at the list, with all rules of the scalar."""
    rules = (
        "Member must satisfy constraint: [Member must have length less than or equal to 128, "
        f"Member must have length greater than or equal to 1, {TAG}]"
    )
    assert problems("iam", "UntagUser", UserName="a", TagKeys=["", "ok"])[1] == text(failed("[, ok]", "tagKeys", rules))


def test_numbers_and_enums() -> None:
    """Numbers are held against their range, words against their set."""
    table = {"TableName": "tab", "KeySchema": [{"AttributeName": "a", "KeyType": "Z"}]}
    assert problems("dynamodb", "CreateTable", **table, ProvisionedThroughput={"ReadCapacityUnits": 0, "WriteCapacityUnits": 1}) == (
        "ValidationError",
        text(
            failed("Z", "keySchema.1.member.keyType", "Member must satisfy enum value set: [HASH, RANGE]"),
            failed("0", "provisionedThroughput.readCapacityUnits", "Member must have value greater than or equal to 1"),
        ),
    )  # fmt: skip


def test_nulls_in_lists() -> None:
    """A null in a list that has none is refused."""
    assert "Value null at 'tagKeys.1.member'" in problems("iam", "UntagUser", UserName="a", TagKeys=[None])[1]


def test_secrets_are_not_repeated() -> None:
    """The value of a sensitive member does not appear in the message."""
    code, message = problems("iam", "CreateLoginProfile", UserName="bob", Password="hush\u0001")
    assert code == "ValidationError"
    assert "hush" not in message
    assert "Value at 'password' failed to satisfy constraint" in message


def test_names_of_services() -> None:
    """Services that name it otherwise do."""
    assert problems("logs", "CreateLogGroup", logGroupName="a b")[0] == "InvalidParameterException"
    assert problems("s3", "DeleteObjects", Bucket="b", Delete={})[0] == "MalformedXML"
    assert problems("s3", "DeleteObjects", Bucket="b")[0] == "MalformedXML"


def test_s3_judges_values_itself() -> None:
    """What S3 finds wrong with a value has a code of its own in each operation, so the model's limits are not used."""
    assert problems("s3", "PutObject", Bucket="b", Key="", ACL="nonsense") == ("", "")


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        (r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*", ["", "aß日本 9٣", "a_b.c"], ["#", "😀", "\u0301"]),
        (r"[\p{L}\p{M}\p{S}\p{N}\p{P}]+", ["a\u0301€9!"], [" ", ""]),
        (r"\P{C}*", ["a b ß"], ["\x00", "a\nb"]),
        (r"[\P{M}\p{M}]*", ["a\u0301"], []),
        (r"[\w-_]+", ["a-b_c"], ["a b"]),
        (r"[\p{L}\p{N}\p{Z}-_]+", ["a-b_c"], ["a!b"]),
        (r"^[a-z]+$", ["abc"], ["abc\n", "aBc"]),
        (r"\A\S+\z", ["abc"], ["a c"]),
        ("[\\u0020-\\uD7FF\\uE000-\\uFFFD\\uD800\\uDC00-\\uDBFF\\uDFFF\\t]*", ["a😀\t"], ["\x01"]),
        (r"\w+", ["abc1_"], ["ä"]),
        (r"[\x{22}]+", ['"'], ["2"]),
    ],
)
def test_patterns_of_java(pattern: str, good: list[str], bad: list[str]) -> None:
    """Classes by Unicode category, surrogates and hyphens mean in Python what they mean in Java."""
    matches = patterns.compiled(pattern)
    assert matches is not None
    assert [value for value in good if not matches(value)] == []
    assert [value for value in bad if matches(value)] == []


def test_patterns_that_python_cannot_read() -> None:
    """Of all patterns in all built services none is left unchecked; of all models' nearly none."""
    unread = [
        (service, name)
        for service in sorted(model.services())
        for name, shape in model.load(service).shapes.items()
        if shape.pattern and patterns.compiled(shape.pattern) is None
    ]
    assert len(unread) <= 20
    assert {service for service, _ in unread} & {"iam", "lambda", "logs", "s3", "sts", "dynamodb", "sqs"} == set()


def test_matching_takes_no_time() -> None:
    """Long values match what is one class of characters, and never a pattern that might take for ever.

    Where the model means such long values they pass, elsewhere they do not.
    """
    begun = time.perf_counter()
    for pattern, value, good in (
        ("(a+)+b", "a" * 50_000, False),
        ("v[1-9][0-9]*", "v" + "1" * 50_000, False),
        (r"[\t -\xff]+", "a" * 50_000, True),
        (r"[\t -\xff]+", "a" * 50_000 + "\0", False),
        (r"^([\p{L} \]]*)$", "ä]" * 50_000, True),
        (".*", "a" * 50_000, True),
    ):
        matches, lenient = patterns.compiled(pattern), patterns.compiled(pattern, long=True)
        assert matches is not None
        assert lenient is not None
        assert matches(value) is good, pattern
        assert lenient(value) is (good or "[" not in pattern or pattern.startswith("v")), pattern
    assert time.perf_counter() - begun < 1


def test_nulls_in_maps() -> None:
    """A value of a map is not null, wherever the model does not say that it may be."""
    function, group = "arn:aws:lambda:us-east-1:000000000000:function:x", "arn:aws:logs:us-east-1:0:log-group:x"
    rule = "Map value must satisfy constraint: [Member must not be null]"
    for service, member, params in (
        ("lambda", "Tags", {"Resource": function}),
        ("logs", "tags", {"resourceArn": group}),
    ):
        assert problems(service, "TagResource", **params, **{member: {"a": "b"}}) == ("", "")
        message = problems(service, "TagResource", **params, **{member: {"a": None}})[1]
        assert message == text(failed("{a=null}", "tags", rule))


def test_every_operation_compiles() -> None:
    """The checks of every operation of several large services can be generated, and take an empty input."""
    for service in ("cloudwatch", "dynamodb", "ec2", "iam", "lambda", "logs", "s3", "sqs", "sts"):
        for operation in model.load(service).operations:
            message = problems(service, operation)[1]
            assert message == "" or re.match(r"\d+ validation errors? detected|The XML", message)


def test_messages_are_bounded() -> None:
    """Thousands of problems make a message of bounded length."""
    tags = [{"Key": "#" * 300, "Value": "#"} for _ in range(5_000)]
    message = problems("iam", "CreateUser", UserName="a", Tags=tags)[1]
    assert len(message) < 300_000
    assert msgspec.json.encode(message)
