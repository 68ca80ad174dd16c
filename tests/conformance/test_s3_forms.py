"""Uploads by HTML forms: as boto3 presigns them, and as a browser posts them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

import forms
from handmade import Answer, Signer, Wire
from live import LiveCloud, Unique
from refusals import refused
from s3kit import MIB

PAGE = "https://app.example.com"


@pytest.fixture(scope="module")
def s3(cloud: LiveCloud) -> Any:
    return cloud.client("s3")


@pytest.fixture(scope="module")
def wire(cloud: LiveCloud) -> Wire:
    return Wire(cloud.endpoint)


@pytest.fixture(scope="module")
def root(cloud: LiveCloud) -> Signer:
    return Signer(cloud.access_key, cloud.secret_key)


@pytest.fixture
def bucket(s3: Any, unique: Unique) -> Iterator[str]:
    name = unique("bucket")
    s3.create_bucket(Bucket=name)
    yield name
    for entry in s3.list_objects_v2(Bucket=name).get("Contents", []):
        s3.delete_object(Bucket=name, Key=entry["Key"])
    s3.delete_bucket(Bucket=name)


@pytest.fixture
def public(s3: Any, bucket: str) -> str:
    """A bucket that everybody may put into."""
    s3.delete_public_access_block(Bucket=bucket)
    statement = {
        "Effect": "Allow", "Principal": "*", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*"
    }  # fmt: skip
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": statement}))
    return bucket


def post(
    wire: Wire, bucket: str, fields: dict[str, str], content: bytes | None = b"content", file_name: str = "cat.jpg"
) -> Answer:
    headers, body = forms.posted(fields, content, file_name)
    return wire.send("POST", f"/{bucket}", headers, body)


def allowed(root: Signer, bucket: str, *conditions: Any, seconds: float = 600) -> dict[str, str]:
    """The fields of a signed form for keys below up/ in a bucket."""
    own: list[Any] = [{"bucket": bucket}, ["starts-with", "$key", "up/"]]
    return {"key": "up/a", **forms.signed(root, *own, *conditions, seconds=seconds)}


# -- boto3 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["s3", "s3v4"])
@pytest.mark.parametrize("style", ["path", "virtual"])
def test_forms_that_boto3_presigns(
    cloud: LiveCloud, wire: Wire, s3: Any, bucket: str, version: str, style: str
) -> None:
    """With either version of the signature, wherever the bucket stands in the address."""
    addressing: Any = {"addressing_style": style}
    client = boto3.client(
        "s3",
        endpoint_url=f"http://localhost:{wire.address[1]}",
        region_name=cloud.region,
        aws_access_key_id=cloud.access_key,
        aws_secret_access_key=cloud.secret_key,
        config=Config(signature_version=version, s3=addressing),
    )
    made = client.generate_presigned_post(
        bucket,
        "photos/${filename}",
        Fields={"x-amz-meta-who": "me"},
        Conditions=[["content-length-range", 1, 100], {"x-amz-meta-who": "me"}],
    )
    host = made["url"].removeprefix("http://").partition("/")[0]
    headers, body = forms.posted(made["fields"], b"a cat", "C:\\pictures\\cat 1.jpg")
    target = f"/{bucket}" if style == "path" else "/"
    answer = wire.send("POST", target, headers | {"host": host}, body)
    assert (answer.status, answer.body) == (204, b""), answer
    got = s3.get_object(Bucket=bucket, Key="photos/cat 1.jpg")
    assert (got["Body"].read(), got["Metadata"], got["ETag"]) == (b"a cat", {"who": "me"}, answer.headers["etag"])


def test_forms_of_sessions(cloud: LiveCloud, wire: Wire, s3: Any, bucket: str) -> None:
    """Temporary credentials sign forms; without their token they are nobody's."""
    session = cloud.client("sts").get_session_token()["Credentials"]
    made = cloud.client_of("s3", session).generate_presigned_post(bucket, "k")
    assert post(wire, bucket, made["fields"]).status == 204
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"content"
    del made["fields"]["x-amz-security-token"]
    assert (post(wire, bucket, made["fields"]).code, 403) == ("InvalidAccessKeyId", 403)


# -- what a form says ----------------------------------------------------------------------------------------------------


def test_everything_that_a_form_can_say(wire: Wire, root: Signer, s3: Any, bucket: str) -> None:
    """Headers, metadata, tags, storage class, redirect and checksum, as a PUT would say them."""
    said = {
        "Content-Type": "text/plain; charset=utf-8",
        "Cache-Control": "no-cache",
        "Content-Disposition": 'attachment; filename="${filename}"',
        "x-amz-meta-who": "Zo\xeb",
        "x-amz-storage-class": "STANDARD_IA",
        "x-amz-website-redirect-location": "/elsewhere",
        "acl": "bucket-owner-full-control",
        "tagging": "<Tagging><TagSet><Tag><Key>a b</Key><Value>1+2=3</Value></Tag></TagSet></Tagging>",
    }
    conditions = [["starts-with", f"${name}", value[:3]] for name, value in said.items()]
    free = {"x-amz-checksum-crc32": "E6rnbg==", "x-ignore-this": "x"}
    assert post(wire, bucket, allowed(root, bucket, *conditions) | said | free, file_name="x.txt").code == "BadDigest"
    free["x-amz-checksum-crc32"] = "/sUwqQ=="
    answer = post(wire, bucket, allowed(root, bucket, *conditions) | said | free, file_name="x.txt")
    assert answer.status == 204, answer
    found = s3.get_object(Bucket=bucket, Key="up/a", ChecksumMode="ENABLED")
    assert found["ContentType"] == said["Content-Type"]
    assert found["CacheControl"] == "no-cache"
    assert found["ContentDisposition"] == 'attachment; filename="x.txt"'
    assert found["Metadata"] == {"who": "Zo\xeb".encode().decode("latin-1")}
    assert found["StorageClass"] == "STANDARD_IA"
    assert found["WebsiteRedirectLocation"] == "/elsewhere"
    assert found["ChecksumCRC32"] == "/sUwqQ=="
    assert s3.get_object_tagging(Bucket=bucket, Key="up/a")["TagSet"] == [{"Key": "a b", "Value": "1+2=3"}]


@pytest.mark.parametrize(("wanted", "status"), [("200", 200), ("201", 201), ("204", 204), ("404", 204), ("", 204)])
def test_the_status_that_a_form_wants(wire: Wire, root: Signer, bucket: str, wanted: str, status: int) -> None:
    """200 and 204 say nothing, 201 tells what was stored; any other wish is none."""
    fields = allowed(root, bucket, ["starts-with", "$success_action_status", ""]) | {"success_action_status": wanted}
    answer = post(wire, bucket, fields | {"key": "up/a b"})
    location = f"http://{wire.host}/{bucket}/up/a%20b"
    assert (answer.status, answer.headers["location"]) == (status, location)
    if status == 201:
        assert answer.headers["content-type"] == "application/xml"
        told = [answer.field(name) for name in ("Location", "Bucket", "Key", "ETag")]
        assert told == [location, bucket, "up/a b", answer.headers["etag"]]
        assert answer.body.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n<PostResponse>')
    else:
        assert answer.body == b""


def test_the_page_that_a_form_goes_on_to(wire: Wire, root: Signer, bucket: str) -> None:
    """It is told bucket, key and ETag; what is no page of the web is no wish."""
    for page, start in ((f"{PAGE}/done", f"{PAGE}/done?"), (f"{PAGE}/done?a=1#x", f"{PAGE}/done?a=1&")):
        fields = allowed(root, bucket, {"success_action_redirect": page}) | {"success_action_redirect": page}
        answer = post(wire, bucket, fields)
        etag = answer.headers["etag"].strip('"')
        assert answer.status == 303
        assert answer.headers["location"] == f"{start}bucket={bucket}&key=up%2Fa&etag=%22{etag}%22"
    for page in ("javascript:alert(1)", "//elsewhere", "http://", "http://[x"):
        fields = allowed(root, bucket, {"success_action_redirect": page}) | {"success_action_redirect": page}
        assert post(wire, bucket, fields).status == 204


def test_large_files(wire: Wire, root: Signer, s3: Any, bucket: str) -> None:
    """They come in pieces, with line ends and half boundaries among them, and are what was sent."""
    content = (b"\r\n--" + forms.BOUNDARY.encode()[:-1] + b"\r\r\n-" + bytes(1000)) * 6000
    assert post(wire, bucket, allowed(root, bucket), content).status == 204
    assert s3.get_object(Bucket=bucket, Key="up/a")["Body"].read() == content
    headers, body = forms.posted(allowed(root, bucket), content)
    chunked = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in _cut(body, 70_001)) + b"0\r\n\r\n"
    answer = wire.send("POST", f"/{bucket}", headers | {"transfer-encoding": "chunked"}, chunked)
    assert (answer.status, s3.head_object(Bucket=bucket, Key="up/a")["ContentLength"]) == (204, len(content))


def _cut(data: bytes, size: int) -> Iterator[bytes]:
    for place in range(0, len(data), size):
        yield data[place : place + size]


def test_empty_files_and_what_follows_a_file(wire: Wire, root: Signer, s3: Any, bucket: str) -> None:
    """An empty file is one; fields behind the file are not looked at."""
    assert post(wire, bucket, allowed(root, bucket), b"").status == 204
    assert s3.head_object(Bucket=bucket, Key="up/a")["ContentLength"] == 0
    headers, body = forms.posted(allowed(root, bucket))
    more = body.removesuffix(b"--\r\n") + b'\r\nContent-Disposition: form-data; name="acl"\r\n\r\npublic-read\r\n--'
    assert wire.send("POST", f"/{bucket}", headers, more + forms.BOUNDARY.encode() + b"--\r\n").status == 204


# -- policies ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"key": "down/a"}, 'Policy Condition failed: ["starts-with", "$key", "up/"]'),
        ({"x-amz-meta-a": "2"}, 'Policy Condition failed: ["eq", "$x-amz-meta-a", "1"]'),
        ({"x-amz-meta-b": "1"}, "Extra input fields: x-amz-meta-b"),
        ({"acl": "private", "expires": "x"}, "Extra input fields: acl, expires"),
        (
            {"Content-Type": "image/png, text/html"},
            'Policy Condition failed: ["starts-with", "$Content-Type", "image/"]',
        ),
    ],
    ids=["key", "metadata", "extra metadata", "extra fields", "type"],
)
def test_what_a_policy_does_not_allow(
    wire: Wire, root: Signer, s3: Any, bucket: str, change: dict[str, str], reason: str
) -> None:
    """It is refused, saying why, and nothing is stored."""
    conditions: list[Any] = [{"x-amz-meta-a": "1"}, ["starts-with", "$Content-Type", "image/"]]
    fields = allowed(root, bucket, *conditions) | {"x-amz-meta-a": "1", "Content-Type": "image/png, image/gif"}
    assert post(wire, bucket, fields).status == 204
    s3.delete_object(Bucket=bucket, Key="up/a")
    answer = post(wire, bucket, fields | change)
    assert (answer.status, answer.code) == (403, "AccessDenied")
    assert answer.message.replace("&quot;", '"') == f"Invalid according to Policy: {reason}"
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_policies_of_another_time_and_place(wire: Wire, root: Signer, bucket: str) -> None:
    """A policy ends, and is for its bucket alone."""
    ended = post(wire, bucket, allowed(root, bucket, seconds=-1))
    assert (ended.status, ended.message) == (403, "Invalid according to Policy: Policy expired.")
    elsewhere = post(wire, bucket, allowed(root, "elsewhere"))
    assert (elsewhere.status, elsewhere.code) == (403, "AccessDenied")
    nowhere = post(wire, bucket, {"key": "k", **forms.signed(root, {"key": "k"})})
    assert (nowhere.status, nowhere.message) == (403, "Invalid according to Policy: Extra input fields: bucket")


def test_sizes_that_a_policy_allows(wire: Wire, root: Signer, s3: Any, bucket: str) -> None:
    """From the least to the largest, of the file alone; one that is too large is not even received."""
    fields = allowed(root, bucket, ["content-length-range", 3, 5])
    for size, status, code in ((2, 400, "EntityTooSmall"), (3, 204, ""), (5, 204, ""), (6, 400, "EntityTooLarge")):
        answer = post(wire, bucket, fields, bytes(size))
        assert (answer.status, answer.code if answer.body else "") == (status, code)
    assert post(wire, bucket, fields, bytes(900_000)).code == "EntityTooLarge"
    assert s3.head_object(Bucket=bucket, Key="up/a")["ContentLength"] == 5


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        ("{", "Invalid JSON."),
        ("[]", "Invalid JSON."),
        (forms.document(expiration=None), "Policy missing expiration."),
        (forms.document(conditions=None), "Policy missing conditions."),
        (forms.document(expiration="tomorrow"), "Invalid 'expiration' value: 'tomorrow'"),
        (forms.document(expiration="2026-13-01T00:00:00Z"), "Invalid 'expiration' value: '2026-13-01T00:00:00Z'"),
        (forms.document(conditions={}), "Conditions must be a list."),
        (forms.document({}), "Invalid Simple-Condition"),
        (forms.document({"a": "1", "b": "2"}), "Invalid Simple-Condition"),
        (forms.document({"a": 1}), "Invalid Simple-Condition"),
        (forms.document(["like", "$key", "a"]), "unknown operation 'like'"),
        (forms.document(["eq", "key", "a"]), "must begin with '$'"),
        (forms.document(["eq", "$key"]), "Invalid Condition"),
        (forms.document(7), "Invalid Condition"),
        (forms.document(["content-length-range", 0]), "Invalid content-length-range"),
        (forms.document(["content-length-range", -1, 0]), "Invalid content-length-range"),
        (forms.document(["content-length-range", 0, "x"]), "Invalid content-length-range"),
    ],
    ids=map(str, range(17)),
)
def test_policies_that_are_none(wire: Wire, root: Signer, bucket: str, policy: str, text: str) -> None:
    """Signed or not, what is no policy allows nothing."""
    answer = post(wire, bucket, {"key": "k", **forms.signed_old(root, policy)})
    assert (answer.status, answer.code) == (400, "InvalidPolicyDocument")
    assert answer.message.replace("&#x27;", "'").startswith("Invalid Policy: ")
    assert text in answer.message.replace("&#x27;", "'").replace("&apos;", "'")


def test_names_in_any_case_and_escapes(wire: Wire, root: Signer, s3: Any, bucket: str) -> None:
    """Fields and conditions are known in any case; a policy may escape the dollar."""
    policy = forms.document({"bUcKeT": bucket}, ["StArTs-WiTh", "$KeY", "DOLLAR"]).replace("DOLLAR", "\\$a")
    fields = {"kEy": "$a/b", **{name.swapcase(): value for name, value in forms.signed_old(root, policy).items()}}
    assert post(wire, bucket, fields).status == 204
    assert s3.head_object(Bucket=bucket, Key="$a/b")["ContentLength"] == 7


# -- who -----------------------------------------------------------------------------------------------------------------


def test_forms_that_nobody_signed(wire: Wire, s3: Any, public: str) -> None:
    """The bucket decides: with a policy for everybody they are stored, tags and all else that it does not allow are not."""
    assert post(wire, public, {"key": "a/${filename}"}, b"anyone").status == 204
    assert s3.get_object(Bucket=public, Key="a/cat.jpg")["Body"].read() == b"anyone"
    tagged = {"key": "b", "tagging": "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"}
    assert (post(wire, public, tagged).code, 403) == ("AccessDenied", 403)
    s3.delete_bucket_policy(Bucket=public)
    answer = post(wire, public, {"key": "a/b"})
    assert (answer.status, answer.code) == (403, "AccessDenied")


def test_who_may_not_put_may_not_post(cloud: LiveCloud, wire: Wire, bucket: str, unique: Unique) -> None:
    """A policy is a promise of its signer, who must be allowed to keep it."""
    iam, name = cloud.client("iam"), unique("user")
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    signer = Signer(key["AccessKeyId"], key["SecretAccessKey"])
    assert post(wire, bucket, allowed(signer, bucket)).code == "AccessDenied"
    statement: dict[str, Any] = {
        "Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/up/*"
    }  # fmt: skip
    iam.put_user_policy(
        UserName=name, PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statement})
    )
    assert post(wire, bucket, allowed(signer, bucket)).status == 204
    statement["Condition"] = {"StringEquals": {"s3:authType": "POST"}}
    iam.put_user_policy(
        UserName=name, PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statement})
    )
    assert post(wire, bucket, allowed(signer, bucket)).status == 204
    assert wire.signed(signer, "PUT", f"/{bucket}/up/a", {}, b"x").status == 403
    iam.delete_user_policy(UserName=name, PolicyName="p")
    iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName=name)


def test_signatures_that_are_wrong(wire: Wire, root: Signer, bucket: str) -> None:
    """A policy counts as it was signed, by whom it was signed."""
    fields = allowed(root, bucket)
    wrong = root.but(secret="wrong")
    old = forms.signed_old(root, forms.document({"bucket": bucket}, {"key": "k"}))
    for bad, code in (
        (allowed(wrong, bucket), "SignatureDoesNotMatch"),
        (fields | {"policy": forms.signed_old(root, "{}")["policy"]}, "SignatureDoesNotMatch"),
        (fields | {"policy": "\xe4"}, "SignatureDoesNotMatch"),
        (old | {"key": "k", "signature": "x"}, "SignatureDoesNotMatch"),
        (allowed(root.but(key="NOBODY"), bucket), "InvalidAccessKeyId"),
        (allowed(root.but(service="iam"), bucket), "AuthorizationHeaderMalformed"),
        (fields | {"x-amz-algorithm": "MD5"}, "AuthorizationQueryParametersError"),
        (fields | {"x-amz-credential": "a/b"}, "AuthorizationQueryParametersError"),
        (fields | {"x-amz-date": "now"}, "AuthorizationQueryParametersError"),
    ):
        assert post(wire, bucket, bad).code == code, bad


@pytest.mark.parametrize("field", ["policy", "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Signature"])
def test_fields_that_a_signature_needs(wire: Wire, root: Signer, bucket: str, field: str) -> None:
    """The one that is missing is named."""
    fields = allowed(root, bucket)
    del fields[field.lower()]
    answer = post(wire, bucket, fields)
    assert (answer.status, answer.code, answer.field("ArgumentName")) == (400, "InvalidArgument", field)
    assert "must contain a field named" in answer.message


@pytest.mark.parametrize("field", ["policy", "AWSAccessKeyId", "signature"])
def test_fields_that_an_old_signature_needs(wire: Wire, root: Signer, bucket: str, field: str) -> None:
    """Likewise for version 2."""
    fields = {"key": "k", **forms.signed_old(root, forms.document({"bucket": bucket}, {"key": "k"}))}
    del fields[field]
    answer = post(wire, bucket, fields)
    assert (answer.status, answer.code, answer.field("ArgumentName")) == (400, "InvalidArgument", field)


# -- what is no form -----------------------------------------------------------------------------------------------------


def test_what_is_no_form(wire: Wire, root: Signer, bucket: str) -> None:
    """Each kind of nonsense has its error."""
    headers, body = forms.posted(allowed(root, bucket))
    long = {"x-ignore-long": "x" * 20 * 1024}
    for sent, content, status, code in (
        ({}, b"key=k", 412, "PreconditionFailed"),
        ({"content-type": "application/x-www-form-urlencoded"}, b"key=k", 412, "PreconditionFailed"),
        ({"content-type": "multipart/form-data"}, body, 400, "MalformedPOSTRequest"),
        (headers, b"", 400, "MalformedPOSTRequest"),
        (headers, b"nothing", 400, "MalformedPOSTRequest"),
        (headers, body[:-6], 400, "MalformedPOSTRequest"),
        (headers, body.replace(b'form-data; name="policy"', b"form-data"), 400, "MalformedPOSTRequest"),
        (headers, body.replace(b'"up/a"', b'"\xff"').replace(b"up/a", b"\xff"), 400, "MalformedPOSTRequest"),
        (*forms.posted(allowed(root, bucket), None), 400, "InvalidArgument"),
        (*forms.posted(allowed(root, bucket) | long), 400, "MaxPostPreDataLengthExceededError"),
    ):
        answer = wire.send("POST", f"/{bucket}", sent, content)
        assert (answer.status, answer.code) == (status, code), (sent, content[:100])
    nameless = allowed(root, bucket)
    del nameless["key"]
    answer = post(wire, bucket, nameless)
    assert (answer.code, answer.field("ArgumentName")) == ("InvalidArgument", "key")


def test_fields_that_no_header_can_hold(wire: Wire, root: Signer, bucket: str) -> None:
    """A line end in a field does not begin a header of its own."""
    fields = allowed(root, bucket, ["starts-with", "$x-amz-meta-a", ""]) | {"x-amz-meta-a": "1\r\nx-amz-meta-b: 2"}
    assert post(wire, bucket, fields).code == "InvalidArgument"


def test_posts_to_objects_and_absent_buckets(wire: Wire, unique: Unique) -> None:
    """Forms are posted to buckets that are there."""
    headers, body = forms.posted({"key": "k"})
    assert wire.send("POST", f"/{unique('absent')}", headers, body).code == "NoSuchBucket"
    assert wire.send("POST", f"/{unique('absent')}/k", headers, body).code == "MethodNotAllowed"


def test_pages_see_answers_to_forms(wire: Wire, root: Signer, s3: Any, bucket: str) -> None:
    """A form that a page posts itself is answered for it, where the bucket says so."""
    rule = {"AllowedMethods": ["POST"], "AllowedOrigins": [PAGE]}
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
    headers, body = forms.posted(allowed(root, bucket))
    answer = wire.send("POST", f"/{bucket}", headers | {"origin": PAGE}, body)
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (204, PAGE)
    headers, body = forms.posted({"key": "k"})
    answer = wire.send("POST", f"/{bucket}", headers | {"origin": PAGE}, body)
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (403, PAGE)


def test_forms_after_a_refusal(wire: Wire, root: Signer, s3: Any, bucket: str) -> None:
    """What was refused left nothing behind, and the next form is stored."""
    assert post(wire, bucket, allowed(root.but(secret="wrong"), bucket), bytes(MIB)).status == 403
    with refused("404", 404):
        s3.head_object(Bucket=bucket, Key="up/a")
    assert post(wire, bucket, allowed(root, bucket), bytes(MIB)).status == 204
