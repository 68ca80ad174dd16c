"""Lambda's pure rules: names, environments, packages, statements."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions import NOTHING, zip_of
from pilvi.core.errors import CloudError, NotBuilt
from pilvi.services.lambda_ import limits, names, package, permissions, rules
from pilvi.services.lambda_.errors import InvalidParameterValue, ValidationFailed
from pilvi.services.lambda_.views import iso_time, lambda_time


class Here:
    """All that naming a function asks of a context."""

    account = "123456789012"
    region = "eu-north-1"


ARN = "arn:aws:lambda:eu-north-1:123456789012:function:fn"


@pytest.mark.parametrize(
    ("text", "qualifier", "arn"),
    [
        ("fn", None, ARN),
        ("fn", "7", f"{ARN}:7"),
        ("fn:live", None, f"{ARN}:live"),
        ("fn:live", "live", f"{ARN}:live"),
        ("fn:$LATEST", None, f"{ARN}:$LATEST"),
        ("function:fn", None, ARN),
        ("123456789012:function:fn", None, ARN),
        ("210987654321:fn", None, ARN.replace("123456789012", "210987654321")),
        (ARN, None, ARN),
        (f"{ARN}:3", None, f"{ARN}:3"),
    ],
)
def test_the_forms_of_a_name(text, qualifier, arn):
    """Every form that AWS documents leads to the same function."""
    assert names.parse(Here(), text, qualifier).arn == arn


@pytest.mark.parametrize("text", ["", "a b", "fn:a:b", "../x", "arn:aws:s3:::b", "x" * 65, "fn\n", "f\u00e4"])
def test_what_is_no_name(text):
    """Anything else breaks the model's pattern."""
    with pytest.raises(ValidationFailed):
        names.parse(Here(), text)


@given(st.text(max_size=80))
def test_any_text_is_a_name_or_refused(text):
    """No name whatever breaks the server, and what is accepted has no character of a path."""
    try:
        found = names.parse(Here(), text)
    except CloudError:
        return
    assert set(found.name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


@given(st.text(max_size=40))
def test_markers_come_back(text):
    """Whatever a list ended with, its marker means that."""
    assert names.marker(names.marker_after(text)) == text


@given(st.text(max_size=20))
def test_foreign_markers_are_refused(text):
    """A marker that we did not make is refused, or means some text; it breaks nothing."""
    try:
        assert isinstance(names.marker(text), str)
    except InvalidParameterValue:
        return


def test_the_environment_shares_four_kilobytes():
    """Exactly 4,096 bytes of JSON are allowed, one more is not; characters count as UTF-8."""
    room = limits.ENVIRONMENT_BYTES_MAX - len(json.dumps({"AB": ""}, separators=(",", ":")))
    rules.check_environment({"AB": "x" * room})
    with pytest.raises(InvalidParameterValue, match="exceeded the 4KB limit"):
        rules.check_environment({"AB": "x" * (room + 1)})
    with pytest.raises(InvalidParameterValue, match="exceeded the 4KB limit"):
        rules.check_environment({"AB": "\u00e4" * (room // 2 + 1)})


@pytest.mark.parametrize("name", ["1A", "A-B", "", "A", "_A", "A\n", "\u00c4B"])
def test_names_of_variables(name):
    """A letter first, then letters, digits and underscores, two characters at least."""
    with pytest.raises(ValidationFailed):
        rules.check_environment({name: "x"})


def test_every_reserved_variable_is_refused():
    """None of them reaches a function with a value of the user's; those of the pattern's making are named."""
    for name in sorted(rules.RESERVED_VARIABLES):
        with pytest.raises(CloudError):
            rules.check_environment({name: "x"})


@pytest.mark.parametrize(
    ("runtime", "error"),
    [
        ("python3.11", None),
        ("python3.8", "no longer supported"),
        ("dotnetcore3.1", "We recommend you use dotnet8"),
        ("go1.x", "no longer supported"),
        ("python3.12", "not on this machine"),
        ("python4", "enum value set"),
    ],
)
def test_runtimes(runtime, error):
    """Here, no longer, not on this machine, never heard of: each has its own answer."""
    if error is None:
        rules.check_runtime(runtime, frozenset({"python3.11"}))
    else:
        with pytest.raises(InvalidParameterValue, match=error):
            rules.check_runtime(runtime, frozenset({"python3.11"}))


def test_a_past_runtime_whose_interpreter_is_here_runs():
    """What this machine can run, it runs, though AWS no longer would."""
    rules.check_runtime("python3.8", frozenset({"python3.8"}))


def test_the_other_architecture_is_not_built():
    """Nothing pretends to run code of another machine."""
    other = {"x86_64": "arm64", "arm64": "x86_64"}[rules.ARCHITECTURE]
    assert rules.check_architecture([]) == rules.check_architecture([rules.ARCHITECTURE]) == rules.ARCHITECTURE
    with pytest.raises(NotBuilt):
        rules.check_architecture([other])


@pytest.mark.parametrize(
    "request_",
    [
        {"VpcConfig": {"SubnetIds": [], "SecurityGroupIds": [], "Ipv6AllowedForDualStack": False}},
        {"VpcConfig": {}},
        {"SnapStart": {"ApplyOn": "None"}, "TracingConfig": {"Mode": "PassThrough"}},
        {"DeadLetterConfig": {"TargetArn": ""}, "ImageConfig": {}, "KMSKeyArn": ""},
    ],
)
def test_what_asks_for_nothing_is_accepted(request_):
    """Empty members of tools that always send them."""
    rules.refuse_what_is_not_built(request_)


@pytest.mark.parametrize(
    "request_",
    [
        {"VpcConfig": {"Ipv6AllowedForDualStack": True}},
        {"DurableConfig": {"ExecutionTimeout": 1}},
        {"SomethingNew": 1},
        {"Layers": ["x"]},
    ],
)
def test_what_asks_for_more_is_not_built(request_):
    """Also members that did not exist when this was written."""
    with pytest.raises(NotBuilt):
        rules.refuse_what_is_not_built(request_)


# -- packages ---------------------------------------------------------------------------------------------------------------


def receive(data: bytes) -> package.Package:
    return package.receive(None, {"ZipFile": data}, "CreateFunction")


def test_a_package_is_known_by_its_hash():
    """Base64 of SHA-256, and the size of the zip."""
    found = receive(NOTHING)
    assert (found.size, len(found.sha256)) == (len(NOTHING), 44)


@pytest.mark.parametrize("data", [b"", b"PK", b"no zip", NOTHING[:-10], zip_of({}), b"PK\5\6" * 10])
def test_what_is_no_package(data):
    """Broken, empty and cut archives are refused."""
    with pytest.raises(InvalidParameterValue):
        receive(data)


@given(st.binary(max_size=200), st.integers(0, len(NOTHING)))
def test_damaged_packages_break_nothing(noise, at):
    """Whatever stands in a zip, it is a package or refused."""
    try:
        receive(NOTHING[:at] + noise + NOTHING[at:])
    except CloudError:
        return


def test_a_package_that_unpacks_to_too_much(monkeypatch):
    """The sum of what the archive says counts, before anything is unpacked."""
    monkeypatch.setattr(limits, "UNZIPPED_BYTES_MAX", 1_000)
    receive(zip_of({"a": "x" * 1_000}))
    with pytest.raises(InvalidParameterValue, match="Unzipped size must be smaller than 1000 bytes"):
        receive(zip_of({"a": "x" * 1_000, "b": "x"}))


@pytest.mark.parametrize("comment", [b"", b"a comment"])
def test_an_archive_with_a_huge_directory_is_refused_unread(monkeypatch, comment):
    """Reading a directory costs time inside a transaction: its announced length decides first."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.comment = comment
        for number in range(100):
            archive.writestr(f"file{number}", "")
    receive(made.getvalue())
    monkeypatch.setattr(limits, "ZIP_DIRECTORY_BYTES_MAX", 1_000)
    monkeypatch.setattr(zipfile, "ZipFile", None)
    with pytest.raises(InvalidParameterValue, match="too many entries"):
        receive(made.getvalue())


# -- permissions --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("principal", "shown"),
    [
        ("*", "*"),
        ("123456789012", {"AWS": "arn:aws:iam::123456789012:root"}),
        ("arn:aws:iam::123456789012:role/r", {"AWS": "arn:aws:iam::123456789012:role/r"}),
        ("s3.amazonaws.com", {"Service": "s3.amazonaws.com"}),
        ("apigateway.amazonaws.com", {"Service": "apigateway.amazonaws.com"}),
    ],
)
def test_principals(principal, shown):
    """Accounts, ARNs, services and everybody, as AWS writes them into the statement."""
    request = {"StatementId": "s", "Action": "lambda:InvokeFunction", "Principal": principal}
    assert permissions.form_statement(request, ARN)["Principal"] == shown


@pytest.mark.parametrize("principal", ["nobody", "12345", "S3"])
def test_principals_that_are_none(principal):
    """Neither an account nor a service."""
    with pytest.raises(InvalidParameterValue, match="principal was invalid"):
        permissions.form_statement({"StatementId": "s", "Action": "lambda:*", "Principal": principal}, ARN)


def test_times():
    """Lambda's own form of a time, and the usual one."""
    assert lambda_time(1_769_853_600_007) == "2026-01-31T10:00:00.007+0000"
    assert iso_time(1_769_853_600_007) == "2026-01-31T10:00:00.007Z"
