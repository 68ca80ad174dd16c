"""Who may do what, on every operation of every service that is built; and what the server says of itself to whom."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

import every_operation
from every_operation import NAME, OPEN, Call, Things, outcome, stored
from functions import NOTHING, TRUST_LAMBDA
from handmade import Answer, Signer, Wire
from live import LiveCloud, Unique
from pilvi.core import caller as callers
from pilvi.core.clock import RandomIds
from pilvi.identity.tokens import Tokens
from waiting import wait_until

OTHER = "111122223333"
OTHER_KEY, OTHER_SECRET = "AKIAOTHERACCOUNT0001", "other-secret-that-only-tests-know-0123456"
DENIED = {
    "iam": ("AccessDenied", 403),
    "kms": ("AccessDeniedException", 400),
    "lambda": ("AccessDeniedException", 403),
    "logs": ("AccessDeniedException", 400),
    "s3": ("AccessDenied", 403),
    "sts": ("AccessDenied", 403),
}
UNSIGNED_DENIED = {
    "iam": ("MissingAuthenticationToken", 403),
    "kms": ("MissingAuthenticationTokenException", 400),
    "lambda": ("MissingAuthenticationTokenException", 403),
    "logs": ("MissingAuthenticationTokenException", 400),
    "s3": ("AccessDenied", 403),
    "sts": ("MissingAuthenticationToken", 403),
}
BODILESS = {"HeadBucket", "HeadObject"}  # their errors have no code but the status
BY_KEY = {"DeleteObjects"}  # answers 200 and says for each key what is wrong
WORDLESS = BODILESS | BY_KEY
DENY = {"Effect": "Deny", "Action": "*", "Resource": "*"}
ALLOW = {"Effect": "Allow", "Action": "*", "Resource": "*"}

Statement = dict[str, Any]
Client = Callable[..., Any]


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveCloud]:
    """A cloud with one of each kind of thing, and a second account whose user may do everything there."""
    key = f"{OTHER}:stranger:{OTHER_KEY}:{OTHER_SECRET}"
    with LiveCloud(tmp_path_factory.mktemp("mine"), "--user-key", key) as running:
        yield running


@pytest.fixture(scope="module")
def things(mine: LiveCloud) -> Things:
    return every_operation.make(mine)


def document(*statements: Statement) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def user(cloud: LiveCloud, name: str, *statements: Statement, boundary: str = "") -> Client:
    """A user with this policy; makes clients with the user's key."""
    iam = cloud.client("iam")
    iam.create_user(UserName=name, **({"PermissionsBoundary": boundary} if boundary else {}))
    if statements:
        iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document(*statements))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return with_key(cloud, key["AccessKeyId"], key["SecretAccessKey"])


def with_key(cloud: LiveCloud, key: str, secret: str, token: str | None = None) -> Client:
    def client(service: str, **options: Any) -> Any:
        return cloud.client(
            service, aws_access_key_id=key, aws_secret_access_key=secret, aws_session_token=token, **options
        )

    return client


def anonymous(cloud: LiveCloud) -> Client:
    """Clients that do not sign; the host says which service they mean."""

    def client(service: str) -> Any:
        made = cloud.client(service, config=Config(signature_version=UNSIGNED))
        if service == "lambda":
            made.meta.events.register_last("before-send.lambda", _to_lambda)
        return made

    return client


def _to_lambda(request: Any, **_: Any) -> None:
    request.headers["Host"] = "lambda.us-east-1.localhost.localstack.cloud"


def expected(
    call: Call, table: dict[str, tuple[str, int]], by_key: frozenset[str] | set[str] = BY_KEY
) -> tuple[str, int]:
    code, status = table[call.service]
    if call.operation in BODILESS:
        return str(status), status
    return (code, 200) if call.operation in by_key else (code, status)


def denied(call: Callable[[], Any], code: str = "AccessDenied") -> str:
    """The message of the refusal."""
    with pytest.raises(ClientError) as caught:
        call()
    assert caught.value.response["Error"]["Code"] == code
    return str(caught.value.response["Error"].get("Message", ""))


# -- every operation -------------------------------------------------------------------------------------------------------


def test_who_has_no_policy_may_nothing(mine: LiveCloud, things: Things) -> None:
    """Every operation is refused by its service's name for it, says who may not do what, and changes not one row."""
    client = user(mine, "has-nothing")
    before = stored(mine.data)
    for call in things.calls():
        code, status, message = outcome(client(call.service), call)
        if (call.service, call.operation) in OPEN:
            assert code == ""
            continue
        assert (code, status) == expected(call, DENIED), call
        if call.operation not in WORDLESS:
            assert "user/has-nothing is not authorized to perform: " in message, call
    assert stored(mine.data) == before


def test_strangers_may_nothing(mine: LiveCloud, things: Things) -> None:
    """Without a signature every operation is refused, batches as a whole, and changes not one row."""
    client = anonymous(mine)
    before = stored(mine.data)
    for call in things.calls():
        assert outcome(client(call.service), call)[:2] == expected(call, UNSIGNED_DENIED, frozenset()), call
    assert stored(mine.data) == before


def test_an_explicit_deny_wins(mine: LiveCloud, things: Things) -> None:
    """Who may everything and is denied everything may nothing, and is told why."""
    client = user(mine, "is-denied", ALLOW, DENY)
    before = stored(mine.data)
    for call in things.calls():
        code, status, message = outcome(client(call.service), call)
        if (call.service, call.operation) in OPEN:
            continue
        assert (code, status) == expected(call, DENIED), call
        if call.operation not in WORDLESS:
            assert message.endswith("with an explicit deny in an identity-based policy"), call
    assert stored(mine.data) == before


def test_a_boundary_bounds_everything(mine: LiveCloud, things: Things) -> None:
    """Who may everything within a boundary that allows nothing of it may nothing."""
    narrow = document({"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"})
    boundary = mine.client("iam").create_policy(PolicyName="narrow", PolicyDocument=narrow)["Policy"]["Arn"]
    client = user(mine, "is-bounded", ALLOW, boundary=boundary)
    before = stored(mine.data)
    for call in things.calls():
        code, status, message = outcome(client(call.service), call)
        if (call.service, call.operation) in OPEN:
            continue
        assert (code, status) == expected(call, DENIED), call
        if call.operation not in WORDLESS | {"AssumeRole"}:
            assert "because no permissions boundary allows" in message, call
    assert stored(mine.data) == before


def test_another_account_reaches_nothing(mine: LiveCloud, things: Things) -> None:
    """The other account's user, who may everything at home, may nothing here, and changes nothing of ours."""
    client = with_key(mine, OTHER_KEY, OTHER_SECRET)
    before = ours(mine)
    for call in things.calls():
        code, status, _ = outcome(client(call.service), call)
        names_ours = call.params.get("Bucket") == NAME or NAME in str(call.params.get("FunctionName", ""))
        arn = next((call.params[name] for name in ("Resource", "RoleArn", "KeyId") if name in call.params), "")
        if names_ours or mine.account in str(arn):
            assert (code, status) == expected(call, DENIED), call
    assert ours(mine) == before


def ours(cloud: LiveCloud) -> dict[str, list[tuple[Any, ...]]]:
    """All rows that do not speak of the other account."""
    ignored = {"pilvi_sequence", "iam_revision"}
    found = stored(cloud.data)
    keys = {row[0] for row in found["kms_key"] if OTHER in repr(row)}
    return {
        name: [row for row in rows if OTHER not in repr(row) and "-new" not in repr(row) and row[0] not in keys]
        for name, rows in found.items()
        if name not in ignored
    }


def test_who_may_everything_is_not_refused(mine: LiveCloud, things: Things, tmp_path_factory: Any) -> None:
    """The same requests, by someone who may: none is refused, so what refused the others was who they were."""
    with LiveCloud(tmp_path_factory.mktemp("allowed")) as cloud:
        made = every_operation.make(cloud)
        client = user(cloud, "may-everything", ALLOW)
        for call in sorted(made.calls(), key=lambda call: call.operation.startswith("Delete")):
            code, status, message = outcome(client(call.service), call)
            if call.operation == "AssumeRole":  # its trust policy is another's
                continue
            assert not code.startswith(("AccessDenied", "Validation", "403", "Internal")), (call, message)
            assert status < 500, (call, message)


# -- documents that narrow ---------------------------------------------------------------------------------------------------


@pytest.fixture
def bucket(cloud: LiveCloud, unique: Unique) -> Iterator[str]:
    s3, name = cloud.client("s3"), unique("shared")
    s3.create_bucket(Bucket=name)
    for key in ("home/a", "other/b"):
        s3.put_object(Bucket=name, Key=key, Body=b"x")
    yield name
    s3.delete_bucket_policy(Bucket=name)
    for entry in s3.list_objects_v2(Bucket=name)["Contents"]:
        s3.delete_object(Bucket=name, Key=entry["Key"])
    s3.delete_bucket(Bucket=name)


def test_a_session_policy_narrows(cloud: LiveCloud, bucket: str, unique: Unique) -> None:
    """A session of a role that may everything in S3 may what its session policy leaves of it."""
    iam, name = cloud.client("iam"), unique("role")
    client = user(cloud, unique("user"), ALLOW)
    arn = client("sts").get_caller_identity()["Arn"]
    trust = {"Effect": "Allow", "Principal": {"AWS": arn}, "Action": "sts:AssumeRole"}
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust))["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=document({**ALLOW, "Action": "s3:*"}))
    policy = document({"Effect": "Allow", "Action": ["s3:GetObject", "iam:*"], "Resource": "*"})
    wide = client("sts").assume_role(RoleArn=role, RoleSessionName="wide")["Credentials"]
    small = client("sts").assume_role(RoleArn=role, RoleSessionName="small", Policy=policy)["Credentials"]
    wide_s3, s3 = (session(cloud, made)("s3") for made in (wide, small))
    assert wide_s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 2
    assert s3.get_object(Bucket=bucket, Key="home/a")["Body"].read() == b"x"
    assert "because no session policy allows" in denied(lambda: s3.put_object(Bucket=bucket, Key="home/a", Body=b"y"))
    assert "because no session policy allows" in denied(lambda: s3.list_objects_v2(Bucket=bucket))
    assert "because no identity-based policy allows" in denied(session(cloud, small)("iam").list_users)


def session(cloud: LiveCloud, made: dict[str, Any]) -> Client:
    return with_key(cloud, made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])


@pytest.mark.parametrize(
    ("condition", "allowed"),
    [
        ({"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}, True),
        ({"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "::1/128"]}}, False),
        ({"NotIpAddress": {"aws:SourceIp": "127.0.0.1/32"}}, False),
        ({"Bool": {"aws:SecureTransport": "false"}}, True),
        ({"Bool": {"aws:SecureTransport": "true"}}, False),
        ({"StringLike": {"aws:UserAgent": "*Boto3*"}}, True),
        ({"StringEquals": {"aws:Referer": "https://example.org/"}}, False),
        ({"StringEquals": {"aws:PrincipalAccount": "000000000000"}}, True),
        ({"StringEquals": {"aws:RequestedRegion": "us-east-1"}}, True),
        ({"StringEquals": {"aws:RequestedRegion": "eu-north-1"}}, False),
        ({"DateGreaterThan": {"aws:CurrentTime": "2026-01-01T00:00:00Z"}}, True),
        ({"DateLessThan": {"aws:CurrentTime": "2026-01-01T00:00:00Z"}}, False),
    ],
)
def test_conditions_of_the_request(
    cloud: LiveCloud, bucket: str, unique: Unique, condition: dict[str, Any], allowed: bool
) -> None:
    """From where, over what, with which program, when: each is what the server knows, not what the client says."""
    client = user(cloud, unique("user"), {**ALLOW, "Condition": condition})
    if allowed:
        assert client("s3").get_object(Bucket=bucket, Key="home/a")["Body"].read() == b"x"
        assert client("iam").list_users()["Users"]
    else:
        denied(lambda: client("s3").get_object(Bucket=bucket, Key="home/a"))
        denied(client("iam").list_users)


@pytest.mark.parametrize(
    ("condition", "answers"),
    [
        ({"StringEquals": {"s3:authType": "REST-QUERY-STRING"}}, {"header": 200, "v4": 403, "v2": 403}),
        ({"StringEquals": {"s3:authType": "REST-HEADER"}}, {"header": 403, "v4": 200, "v2": 200}),
        ({"StringNotEquals": {"s3:signatureversion": "AWS4-HMAC-SHA256"}}, {"header": 200, "v4": 200, "v2": 403}),
        ({"NumericGreaterThan": {"s3:signatureAge": "60000"}}, {"header": 200, "v4": 403, "v2": 200}),
        ({"NumericGreaterThan": {"s3:signatureAge": "3600000"}}, {"header": 200, "v4": 200, "v2": 200}),
    ],
)
def test_conditions_of_the_signature(
    cloud: LiveCloud, bucket: str, condition: dict[str, Any], answers: dict[str, int]
) -> None:
    """A bucket can refuse presigned URLs, old ones, and ones of another version."""
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    s3, target = cloud.client("s3"), f"/{bucket}/home/a"
    s3.put_bucket_policy(Bucket=bucket, Policy=document({**deny, "Condition": condition}))
    wire, root = Wire(cloud.endpoint), Signer(cloud.access_key, cloud.secret_key)
    older = root.but(at=datetime.now(UTC) - timedelta(minutes=5))
    v2 = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "home/a"})
    assert answers == {
        "header": wire.signed(root, "GET", target).status,
        "v4": wire.send("GET", older.presigned("GET", target, wire.host)).status,
        "v2": wire.send("GET", v2.removeprefix(cloud.endpoint)).status,
    }


def test_nobody_says_where_he_comes_from(cloud: LiveCloud, unique: Unique) -> None:
    """X-Forwarded-For and its like are not believed."""
    name = unique("user")
    user(cloud, name, {**ALLOW, "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}})
    key = cloud.client("iam").create_access_key(UserName=name)["AccessKey"]
    claims = {"x-forwarded-for": "10.0.0.1", "forwarded": "for=10.0.0.1;proto=https", "x-real-ip": "10.0.0.1"}
    answer = Wire(cloud.endpoint).signed(Signer(key["AccessKeyId"], key["SecretAccessKey"]), "GET", "/", claims)
    assert (answer.code, answer.status) == ("AccessDenied", 403)


def test_conditions_on_the_prefix(cloud: LiveCloud, bucket: str, unique: Unique) -> None:
    """Who may list one folder lists that one, in both versions, and neither its neighbour nor the whole."""
    home = {"Condition": {"StringLike": {"s3:prefix": ["home/*", "home"]}}}
    client = user(cloud, unique("user"), {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*", **home})("s3")
    for listing in (client.list_objects_v2, client.list_objects):
        assert listing(Bucket=bucket, Prefix="home/")["ResponseMetadata"]["HTTPStatusCode"] == 200
        denied(lambda listing=listing: listing(Bucket=bucket, Prefix="other/"))
        denied(lambda listing=listing: listing(Bucket=bucket))
        denied(lambda listing=listing: listing(Bucket=bucket, Prefix="hom"))


def test_a_parameter_twice_does_not_split_the_check_from_the_act(cloud: LiveCloud, bucket: str, unique: Unique) -> None:
    """What is listed is what was authorised, however often the prefix is said and in whichever spelling."""
    name = unique("user")
    home = {"Condition": {"StringEquals": {"s3:prefix": "home/"}}}
    user(cloud, name, {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*", **home})
    key = cloud.client("iam").create_access_key(UserName=name)["AccessKey"]
    signer, wire = Signer(key["AccessKeyId"], key["SecretAccessKey"]), Wire(cloud.endpoint)
    for query in (
        "prefix=home/&prefix=other/",
        "prefix=other/&prefix=home/",
        "prefix=home/&%70refix=other/",
        "%70refix=other/&prefix=home/",
        "prefix=home/&Prefix=other/",
        "prefix=home/&prefix=",
        "prefix&prefix=home/",
        "list-type=2&prefix=home/&list-type=1&prefix=other/",
    ):
        answer = wire.signed(signer, "GET", f"/{bucket}?{query}")
        assert answer.status in (200, 403)
        assert b"other/b" not in answer.body, query
        assert (b"home/a" in answer.body) == (answer.status == 200), query


# -- other accounts ------------------------------------------------------------------------------------------------------------


def test_a_bucket_policy_lets_in_another_account(mine: LiveCloud, things: Things) -> None:
    """What the policy names and no more; without it, or with a deny, nothing. Both sides must allow."""
    s3, name = mine.client("s3"), "cross-account"
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="k", Body=b"x")
    theirs = with_key(mine, OTHER_KEY, OTHER_SECRET)
    stranger = theirs("s3")
    denied(lambda: stranger.get_object(Bucket=name, Key="k"))
    allow = {
        "Effect": "Allow",
        "Principal": {"AWS": OTHER},
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{name}/*",
    }
    s3.put_bucket_policy(Bucket=name, Policy=document(allow))
    assert stranger.get_object(Bucket=name, Key="k")["Body"].read() == b"x"
    denied(lambda: stranger.put_object(Bucket=name, Key="k", Body=b"y"))
    denied(lambda: stranger.list_objects_v2(Bucket=name))
    denied(lambda: stranger.get_bucket_policy(Bucket=name))
    theirs("iam").create_user(UserName="poor")
    key = theirs("iam").create_access_key(UserName="poor")["AccessKey"]
    denied(lambda: with_key(mine, key["AccessKeyId"], key["SecretAccessKey"])("s3").get_object(Bucket=name, Key="k"))
    s3.put_bucket_policy(Bucket=name, Policy=document(allow, allow | {"Effect": "Deny"}))
    denied(lambda: stranger.get_object(Bucket=name, Key="k"))
    s3.delete_bucket_policy(Bucket=name)
    denied(lambda: stranger.get_object(Bucket=name, Key="k"))


def test_a_bucket_policy_lets_in_everybody(cloud: LiveCloud, bucket: str) -> None:
    """Anonymous requests get what a public policy names, only when the bucket does not keep the public out, and no more."""
    s3, public = cloud.client("s3"), anonymous(cloud)("s3")
    allow = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/home/*"}
    denied(lambda: s3.put_bucket_policy(Bucket=bucket, Policy=document(allow)))
    s3.delete_public_access_block(Bucket=bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=document(allow))
    assert public.get_object(Bucket=bucket, Key="home/a")["Body"].read() == b"x"
    for refused in (
        lambda: public.get_object(Bucket=bucket, Key="other/b"),
        lambda: public.put_object(Bucket=bucket, Key="home/a", Body=b"y"),
        lambda: public.delete_object(Bucket=bucket, Key="home/a"),
        lambda: public.list_objects_v2(Bucket=bucket),
        lambda: public.get_object_tagging(Bucket=bucket, Key="home/a"),
        lambda: public.get_bucket_policy(Bucket=bucket),
        public.list_buckets,
    ):
        assert denied(refused) == "Access Denied"
    s3.put_bucket_policy(
        Bucket=bucket, Policy=document({**allow, "Condition": {"Bool": {"aws:SecureTransport": "true"}}})
    )
    denied(lambda: public.get_object(Bucket=bucket, Key="home/a"))


def test_a_permission_lets_another_account_invoke(mine: LiveCloud, things: Things) -> None:
    """AddPermission opens one function for one action to one account, until it is removed."""
    functions, arn = mine.client("lambda"), f"{things.function}-shared"
    functions.create_function(
        FunctionName=arn,
        Role=things.iam("role"),
        Code={"ZipFile": NOTHING},
        Runtime="python3.11",
        Handler="main.handler",
    )
    theirs = with_key(mine, OTHER_KEY, OTHER_SECRET)("lambda")

    def invoke() -> Any:
        return theirs.invoke(FunctionName=arn, InvocationType="DryRun")

    denied(invoke, "AccessDeniedException")
    functions.add_permission(FunctionName=arn, StatementId="other", Action="lambda:InvokeFunction", Principal=OTHER)
    assert invoke()["StatusCode"] == 204
    denied(lambda: theirs.get_function(FunctionName=arn), "AccessDeniedException")
    denied(lambda: theirs.invoke(FunctionName=things.function, InvocationType="DryRun"), "AccessDeniedException")
    denied(lambda: theirs.add_permission(
        FunctionName=arn, StatementId="more", Action="lambda:*", Principal=OTHER
    ), "AccessDeniedException")  # fmt: skip
    functions.remove_permission(FunctionName=arn, StatementId="other")
    denied(invoke, "AccessDeniedException")
    functions.add_permission(
        FunctionName=arn, StatementId="s3", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com"
    )
    denied(invoke, "AccessDeniedException")
    functions.delete_function(FunctionName=arn)


def test_a_role_is_passed_only_by_who_may(cloud: LiveCloud, unique: Unique) -> None:
    """Who may everything in Lambda but pass no role makes no function that runs as one."""
    name = unique("role")
    role = cloud.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=TRUST_LAMBDA)["Role"]["Arn"]
    client = user(cloud, unique("user"), {**ALLOW, "Action": "lambda:*"})("lambda")
    message = denied(
        lambda: client.create_function(
            FunctionName=name, Role=role, Code={"ZipFile": NOTHING}, Runtime="python3.11", Handler="main.handler"
        ),
        "AccessDeniedException",
    )
    assert "iam:PassRole" in message


def test_an_expired_session(cloud: LiveCloud) -> None:
    """A token made with the cloud's own key whose time is over opens nothing."""
    tokens = Tokens({1: (cloud.data / "master.key").read_bytes()}, 1, RandomIds())
    now_ms = 1_700_000_000_000
    made = tokens.issue(callers.root(cloud.account), 900, now_ms)
    codes = {}
    for service, call in (
        ("s3", "list_buckets"),
        ("iam", "list_users"),
        ("lambda", "list_functions"),
        ("logs", "describe_log_groups"),
    ):
        client = with_key(cloud, made.access_key_id, made.secret, made.token)(service)
        with pytest.raises(ClientError) as caught:
            getattr(client, call)()
        error = caught.value.response
        codes[service] = error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]
    assert codes == {
        "s3": ("ExpiredToken", 400),
        "iam": ("ExpiredToken", 403),
        "lambda": ("ExpiredTokenException", 403),
        "logs": ("ExpiredTokenException", 400),
    }


# -- pages of the server's own ---------------------------------------------------------------------------------------------------


def page(cloud: LiveCloud, path: str, headers: dict[str, str] | None = None, method: str = "GET") -> Answer:
    return Wire(cloud.endpoint).send(method, path, headers)


def basic(key: str, secret: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{key}:{secret}".encode()).decode()}


def test_health(cloud: LiveCloud) -> None:
    """Needs nothing, and says that it is well and which version it is: no path, no account, no name."""
    answer = page(cloud, "/_pilvi/health")
    assert answer.status == 200
    assert json.loads(answer.body).keys() == {"status", "version"}
    assert page(cloud, "/_pilvi/health", method="HEAD").status == 200
    assert page(cloud, "/_pilvi/health", method="DELETE").status == 405
    for path in ("/_pilvi/", "/_pilvi/nothing", "/_pilvi/../master.key", "/_pilvi/health/x"):
        assert page(cloud, path).status == 404


def test_metrics(cloud: LiveCloud, unique: Unique) -> None:
    """They are for who has a key that may read them, and sends its secret."""
    name = unique("user")
    user(cloud, name)
    key = cloud.client("iam").create_access_key(UserName=name)["AccessKey"]
    poor = basic(key["AccessKeyId"], key["SecretAccessKey"])
    right = basic(cloud.access_key, cloud.secret_key)
    for wrong in (
        {},
        poor,
        basic(cloud.access_key, cloud.secret_key + "x"),
        basic(cloud.access_key, ""),
        basic("AKIANOBODY", cloud.secret_key),
        basic("", ""),
        {"authorization": "Basic"},
        {"authorization": "Basic !!!"},
        {"authorization": "Basic \xe9\xe9"},
        {"authorization": right["authorization"].replace("Basic", "Bearer")},
        {"authorization": "Basic " + base64.b64encode(b"\xff\xfe:\xff").decode()},
        {"authorization": "Basic " + base64.b64encode(cloud.access_key.encode()).decode()},
    ):
        answer = page(cloud, "/_pilvi/metrics", wrong)
        assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Basic realm="pilvi"'), wrong
        assert b"pilvi_" not in answer.body
    answer = page(cloud, "/_pilvi/metrics", right)
    assert answer.status == 200
    assert b"# TYPE " in answer.body
    statement = {"Effect": "Allow", "Action": "pilvi:GetMetrics", "Resource": "*"}
    cloud.client("iam").put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document(statement))
    assert page(cloud, "/_pilvi/metrics", poor).status == 200
    cloud.client("iam").update_access_key(UserName=name, AccessKeyId=key["AccessKeyId"], Status="Inactive")
    assert page(cloud, "/_pilvi/metrics", poor).status == 401


def test_links_to_code(mine: LiveCloud, things: Things) -> None:
    """The link in GetFunction needs no key, is for one blob, and nothing in it can be changed."""
    location = mine.client("lambda").get_function(FunctionName=NAME)["Code"]["Location"]
    with urllib.request.urlopen(location, timeout=20) as answer:
        assert answer.read() == NOTHING
    path, _, query = location.removeprefix(mine.endpoint).partition("?")
    parts = dict(part.split("=", 1) for part in query.split("&"))
    for name in parts:
        for value in ("", parts[name][:-1], parts[name][:-1] + ("A" if parts[name][-1] != "A" else "B")):
            changed = "&".join(f"{one}={value if one == name else text}" for one, text in parts.items())
            assert page(mine, f"{path}?{changed}").status == 403, (name, value)
    assert page(mine, path).status == 403
    signer = Signer(parts["key"], parts["proof"], token=urllib.parse.unquote(parts["token"]))
    assert Wire(mine.endpoint).signed(signer, "GET", "/").code == "SignatureDoesNotMatch"


# -- what is written down ----------------------------------------------------------------------------------------------------------


def test_no_secret_is_written_to_a_log(cloud: LiveCloud, bucket: str, unique: Unique) -> None:
    """Neither secrets, tokens, signatures, passwords in headers, nor the content of requests stand in any log."""
    wire, root = Wire(cloud.endpoint), Signer(cloud.access_key, cloud.secret_key)
    name, marker = unique("user"), unique("content")
    user(cloud, name, ALLOW)
    key = cloud.client("iam").create_access_key(UserName=name)["AccessKey"]
    client = with_key(cloud, key["AccessKeyId"], key["SecretAccessKey"])
    made = client("sts").get_session_token()["Credentials"]
    s3 = session(cloud, made)("s3")
    s3.put_object(Bucket=bucket, Key="home/a", Body=marker.encode(), Metadata={"m": marker})
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "home/a"})
    v4 = root.presigned("GET", f"/{bucket}/home/a", wire.host)
    assert wire.send("GET", url.removeprefix(cloud.endpoint)).body == marker.encode()
    assert wire.send("GET", v4).status == 200
    assert wire.send("GET", v4[:-3] + "000").status == 403
    wire.signed(root.but(secret=marker), "GET", "/")
    page(cloud, "/_pilvi/metrics", basic(cloud.access_key, marker))
    page(cloud, "/", {"authorization": f"Bearer {marker}", "cookie": marker})
    wire.signed(root.but(service="logs"), "POST", "/", {"x-amz-target": f"Logs_20140328.{marker}"}, marker.encode())
    wire.signed(root.but(service=marker), "GET", f"/{marker}?{marker}", {"x-amz-meta-m": marker})
    wire.send_bytes(f"GARBAGE {marker}\r\n\r\n".encode())
    last = wire.send("GET", "/").headers["x-amz-request-id"]
    wait_until(lambda: last in cloud.output(), "the last request is in the access log")
    secrets = {
        "secret of root": cloud.secret_key,
        "secret of user": key["SecretAccessKey"],
        "secret of session": made["SecretAccessKey"],
        "token": made["SessionToken"][20:80],
        "signature": v4.rpartition("=")[2][:-3],
        "basic": basic(cloud.access_key, cloud.secret_key)["authorization"].partition(" ")[2],
        "content": marker,
    }
    written = {path.name: path.read_text(errors="replace") for path in (cloud.log, *cloud.data.glob("*.log*"))}
    assert len(written) >= 3
    assert [
        (what, where) for what, secret in secrets.items() for where, text in written.items() if secret in text
    ] == []
    for line in (cloud.data / "access.log").read_text().splitlines():
        assert json.loads(line)["request_id"]
