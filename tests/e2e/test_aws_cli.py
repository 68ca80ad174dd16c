"""The AWS CLI against a cloud that a shell was pointed at with `pilvi env`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from commands import Home
from waiting import wait_until

FILTER = ["logs", "filter-log-events", "--log-group-name", "/aws/lambda/f", "--query", "events[].message"]


class Shell:
    """`aws` in a shell after `eval "$(pilvi env)"`."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.variables = json.loads(home.pilvi("env", "--json").stdout)

    def aws(self, *arguments: str, code: int = 0) -> str:
        """What it prints. Fails when it ends with another exit code."""
        self.home.variables.update(self.variables)
        done = self.home.run("aws", *arguments)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout if code == 0 else done.stderr

    def json(self, *arguments: str) -> Any:
        return json.loads(self.aws(*arguments, "--output", "json"))


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """One cloud for all tests of this file."""
    home = Home(tmp_path_factory.mktemp("aws"))
    assert home.pilvi("up", "-d").returncode == 0
    yield Shell(home)
    assert home.pilvi("down").returncode == 0
    home.end_all()


def test_high_level_s3(shell: Shell, tmp_path: Path) -> None:
    """mb, cp, sync, ls, mv, rm, presign, rb: single objects, trees, and a file large enough for parts."""
    tree = tmp_path / "tree"
    (tree / "inner folder").mkdir(parents=True)
    (tree / "a.txt").write_text("a")
    (tree / "inner folder/ü.txt").write_text("u")
    large = bytes(range(256)) * 80_000  # 20 MB: over the CLI's threshold of 8 MB
    (tree / "large.bin").write_bytes(large)
    shell.aws("s3", "mb", "s3://tree")
    shell.aws("s3", "sync", str(tree), "s3://tree/x")
    listed = shell.aws("s3", "ls", "s3://tree/x/", "--recursive")
    assert [line.split(maxsplit=3)[3] for line in listed.splitlines()] == [
        "x/a.txt",
        "x/inner folder/ü.txt",
        "x/large.bin",
    ]
    shell.aws("s3", "cp", "s3://tree/x", str(tmp_path / "back"), "--recursive")
    assert (tmp_path / "back/large.bin").read_bytes() == large
    assert (tmp_path / "back/inner folder/ü.txt").read_text() == "u"
    assert shell.aws("s3", "sync", str(tree), "s3://tree/x") == ""
    shell.aws("s3", "mv", "s3://tree/x/a.txt", "s3://tree/b.txt")
    link = shell.aws("s3", "presign", "s3://tree/b.txt").strip()
    assert shell.home.run("curl", "-fsS", link).stdout == "a"
    shell.aws("s3", "rm", "s3://tree", "--recursive")
    shell.aws("s3", "rb", "s3://tree")
    assert "NoSuchBucket" in shell.aws("s3", "ls", "s3://tree", code=255)


def test_s3api_iam_and_sts(shell: Shell) -> None:
    """Answers have the shapes that --query expects."""
    shell.aws("s3api", "create-bucket", "--bucket", "queries")
    buckets = shell.json("s3api", "list-buckets", "--query", "Buckets[].Name")
    assert "queries" in buckets
    shell.aws("iam", "create-user", "--user-name", "ann")
    assert (
        shell.json("iam", "get-user", "--user-name", "ann", "--query", "User.Arn")
        == "arn:aws:iam::000000000000:user/ann"
    )
    assert shell.json("sts", "get-caller-identity")["Account"] == "000000000000"


def test_a_function_and_its_log(shell: Shell, tmp_path: Path) -> None:
    """create-function, invoke, and what it printed."""
    (tmp_path / "app.py").write_text(
        "def handler(event, context):\n    print('seen', event)\n    return {'got': event}\n"
    )
    shell.home.run("python", "-m", "zipfile", "-c", str(tmp_path / "app.zip"), str(tmp_path / "app.py"))
    trust = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},'
    role = ["iam", "create-role", "--role-name", "f", "--assume-role-policy-document"]
    shell.aws(*role, trust + '"Action":"sts:AssumeRole"}]}')
    policy = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
    shell.aws("iam", "attach-role-policy", "--role-name", "f", "--policy-arn", policy)
    create = [
        "lambda",
        "create-function",
        "--function-name",
        "f",
        "--runtime",
        "python3.11",
        "--handler",
        "app.handler",
    ]
    shell.aws(*create, "--role", "arn:aws:iam::000000000000:role/f", "--zip-file", f"fileb://{tmp_path}/app.zip")
    shell.aws("lambda", "wait", "function-active-v2", "--function-name", "f")
    out = tmp_path / "out.json"
    invoke = ["lambda", "invoke", "--function-name", "f", "--payload", '{"x": 1}']
    assert shell.json(*invoke, str(out))["StatusCode"] == 200
    assert json.loads(out.read_text()) == {"got": {"x": 1}}
    wait_until(lambda: "seen {'x': 1}" in shell.aws(*FILTER), "the function's line in its log group")


def test_what_is_not_built_says_so(shell: Shell) -> None:
    """An operation and a whole service: 501, with the name."""
    command = ["s3api", "list-bucket-inventory-configurations", "--bucket", "any"]
    assert "ListBucketInventoryConfigurations" in shell.aws(*command, code=255)
    assert "ListTables" in shell.aws("dynamodb", "list-tables", code=255)
