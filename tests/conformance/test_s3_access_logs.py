"""Access logs of buckets, through a server that writes them every second."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from live import LiveCloud, Unique, unique_name
from pilvi.services.s3.names import owner_id
from refusals import refused
from waiting import wait_until

FIELDS = (
    "owner", "bucket", "time", "peer", "requester", "request_id", "operation", "key", "uri", "status", "error", "sent",
    "size", "total", "turn_around", "referer", "agent", "version", "host_id", "signature", "cipher", "authentication",
    "host", "tls", "access_point", "acl",
)  # fmt: skip
FIELD = re.compile(r'\[[^\]]*\]|"[^"]*"|\S+')
NAME = r"\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d-[0-9A-F]{16}"


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveCloud]:
    with LiveCloud(tmp_path_factory.mktemp("logged"), "--access-log-seconds", "1") as cloud:
        yield cloud


@pytest.fixture(scope="module")
def s3(logged: LiveCloud) -> Any:
    return logged.client("s3")


@pytest.fixture
def target(s3: Any, unique: Unique) -> str:
    name = unique("logs")
    s3.create_bucket(Bucket=name)
    s3.put_bucket_policy(Bucket=name, Policy=delivery_policy(name))
    return name


@pytest.fixture
def bucket(s3: Any, unique: Unique, target: str) -> str:
    name = unique("photos")
    s3.create_bucket(Bucket=name)
    s3.put_bucket_logging(
        Bucket=name, BucketLoggingStatus={"LoggingEnabled": {"TargetBucket": target, "TargetPrefix": "of/"}}
    )
    return name


def delivery_policy(target: str, **more: Any) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "logging.s3.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{target}/*",
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement | more]})


def entries(s3: Any, target: str) -> list[dict[str, str]]:
    """All lines that were delivered, field by field."""
    found = []
    for entry in s3.list_objects_v2(Bucket=target).get("Contents", []):
        body = s3.get_object(Bucket=target, Key=entry["Key"])["Body"].read().decode()
        for line in body.splitlines():
            values = FIELD.findall(line)
            assert len(values) == len(FIELDS), line
            found.append(dict(zip(FIELDS, values, strict=True)))
    return found


def delivered(s3: Any, target: str, wanted: Callable[[dict[str, str]], bool]) -> dict[str, str]:
    """The line that is wanted, once it is delivered."""
    found = wait_until(lambda: [entry for entry in entries(s3, target) if wanted(entry)], "the line is delivered")
    return found[0]


def with_error(code: str) -> Callable[[dict[str, str]], bool]:
    return lambda entry: entry["error"] == code


def test_a_request_becomes_a_line(s3: Any, logged: LiveCloud, bucket: str, target: str) -> None:
    """Every field of AWS's format; answers of a GET, in a log named as AWS names it."""
    s3.put_object(Bucket=bucket, Key="a b/é%.txt", Body=b"12345")
    answer = s3.get_object(Bucket=bucket, Key="a b/é%.txt", Range="bytes=1-2")
    found = delivered(s3, target, lambda entry: entry["operation"] == "REST.GET.OBJECT")
    assert re.fullmatch(r"\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\]", found.pop("time"))
    assert found.pop("total").isdigit()
    assert found.pop("turn_around").isdigit()
    assert "Boto3" in found.pop("agent")
    request_id = answer["ResponseMetadata"]["RequestId"]
    assert found == {
        "owner": owner_id(logged.account),
        "bucket": bucket,
        "peer": "127.0.0.1",
        "requester": owner_id(logged.account),
        "request_id": request_id,
        "operation": "REST.GET.OBJECT",
        "key": "a%2520b/%25C3%25A9%2525.txt",
        "uri": f'"GET /{bucket}/a%20b/%C3%A9%25.txt HTTP/1.1"',
        "status": "206",
        "error": "-",
        "sent": "2",
        "size": "5",
        "referer": '"-"',
        "version": "-",
        "host_id": answer["ResponseMetadata"]["HostId"],
        "signature": "SigV4",
        "cipher": "-",
        "authentication": "AuthHeader",
        "host": logged.endpoint.removeprefix("http://"),
        "tls": "-",
        "access_point": "-",
        "acl": "-",
    }
    put = delivered(s3, target, lambda entry: entry["operation"] == "REST.PUT.OBJECT")
    assert (put["size"], put["sent"], put["status"]) == ("5", "-", "200")
    for entry in s3.list_objects_v2(Bucket=target)["Contents"]:
        assert re.fullmatch(f"of/{NAME}", entry["Key"])


def test_large_bodies(s3: Any, bucket: str, target: str) -> None:
    """Logged when they are sent, by what was sent of them: all, a part, or what a client took that went away."""
    size = 64 * 2**20
    s3.put_object(Bucket=bucket, Key="large", Body=bytes(size))
    s3.get_object(Bucket=bucket, Key="large")["Body"].read()
    s3.get_object(Bucket=bucket, Key="large", Range="bytes=5-")["Body"].read()
    gone = s3.get_object(Bucket=bucket, Key="large", ResponseContentType="text/gone")["Body"]
    gone.read(100)
    gone.close()

    def sent() -> list[dict[str, str]]:
        gets = [entry for entry in entries(s3, target) if entry["operation"] == "REST.GET.OBJECT"]
        return gets if len(gets) == 3 else []

    found = wait_until(sent, "all three are delivered")
    assert {entry["size"] for entry in found} == {str(size)}
    cut = next(entry for entry in found if "text%2Fgone" in entry["uri"])
    assert {entry["sent"] for entry in found if entry is not cut} == {str(size), str(size - 5)}
    assert 0 < int(cut["sent"]) < size
    assert all(int(entry["total"]) >= int(entry["turn_around"]) for entry in found)


def test_refusals_are_logged(s3: Any, logged: LiveCloud, bucket: str, target: str) -> None:
    """What is missing, and what strangers may not: with the error's code, and without a requester."""
    with refused("NoSuchKey", 404):
        s3.get_object(Bucket=bucket, Key="nothing")
    found = delivered(s3, target, lambda entry: entry["status"] == "404")
    assert (found["error"], found["operation"], found["key"]) == ("NoSuchKey", "REST.GET.OBJECT", "nothing")
    request = urllib.request.Request(f"{logged.endpoint}/{bucket}/x", headers={"Referer": 'http://a/"b"'})
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(request, timeout=10)
    found = delivered(s3, target, lambda entry: entry["status"] == "403")
    assert (found["error"], found["requester"], found["signature"]) == ("AccessDenied", "-", "-")
    assert (found["authentication"], found["referer"]) == ("-", '"http://a/%22b%22"')


def test_those_who_could_not_prove_who_they_are(s3: Any, logged: LiveCloud, bucket: str, target: str) -> None:
    """A wrong secret, a key that is not there: refused before anybody looks at the bucket, and logged all the same."""
    for key, secret, code in (
        (logged.access_key, "wrong-secret-0123456789", "SignatureDoesNotMatch"),
        ("PILVINOBODYSKEY00001", "any-secret-0123456789", "InvalidAccessKeyId"),
    ):
        stranger = logged.client("s3", aws_access_key_id=key, aws_secret_access_key=secret)
        with refused(code, 403):
            stranger.get_object(Bucket=bucket, Key="a")
        found = delivered(s3, target, with_error(code))
        assert (found["operation"], found["key"], found["requester"]) == ("REST.GET.OBJECT", "a", "-")


def test_batches_and_copies(s3: Any, bucket: str, target: str) -> None:
    """A batch of deletions has a line for each key; a copy has one in the log of its source too."""
    s3.put_object(Bucket=bucket, Key="a", Body=b"1")
    s3.copy_object(Bucket=target, Key="elsewhere", CopySource={"Bucket": bucket, "Key": "a"})
    s3.delete_object(Bucket=target, Key="elsewhere")
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a"}, {"Key": "b"}]})
    found = delivered(s3, target, lambda entry: entry["operation"] == "REST.COPY.OBJECT_GET")
    assert (found["bucket"], found["key"], found["status"]) == (bucket, "a", "200")
    delivered(s3, target, lambda entry: entry["operation"] == "REST.POST.MULTI_OBJECT_DELETE")
    gone = [entry for entry in entries(s3, target) if entry["operation"] == "BATCH.DELETE.OBJECT"]
    assert [(entry["key"], entry["status"]) for entry in gone] == [("a", "204"), ("b", "204")]


def test_presigned_urls_stay_secret(s3: Any, bucket: str, target: str) -> None:
    """A log does not show what would make its reader the one who signed."""
    s3.put_object(Bucket=bucket, Key="a", Body=b"1")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a"})
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert answer.read() == b"1"
    found = delivered(s3, target, lambda entry: entry["authentication"] == "QueryString")
    assert re.search(r"[?&](X-Amz-)?Signature=HIDDEN(&| )", found["uri"])


def contents(listing: Callable[[], Any]) -> list[Any]:
    found: list[Any] = listing().get("Contents", [])
    return found


def test_names_by_partition(s3: Any, logged: LiveCloud, bucket: str, target: str) -> None:
    """Names that tell account, region, bucket and day."""
    for source, clock in (("EventTime", "00-00-00"), ("DeliveryTime", r"\d\d-\d\d-\d\d")):
        prefix = f"{source}/"
        wanted = {
            "TargetBucket": target,
            "TargetPrefix": prefix,
            "TargetObjectKeyFormat": {"PartitionedPrefix": {"PartitionDateSource": source}},
        }
        s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={"LoggingEnabled": wanted})
        assert s3.get_bucket_logging(Bucket=bucket)["LoggingEnabled"] == wanted
        listing = partial(s3.list_objects_v2, Bucket=target, Prefix=prefix)
        listed = wait_until(partial(contents, listing), "a log is delivered")
        place = (
            rf"{prefix}{logged.account}/us-east-1/{bucket}/\d{{4}}/\d\d/\d\d/\d{{4}}-\d\d-\d\d-{clock}-[0-9A-F]{{16}}"
        )
        assert re.fullmatch(place, listed[0]["Key"])


def test_configuration(s3: Any, logged: LiveCloud, unique: Unique, bucket: str, target: str) -> None:
    """Shown as it was set; off again; and what cannot be is refused."""
    simple = {"TargetBucket": target, "TargetPrefix": "", "TargetObjectKeyFormat": {"SimplePrefix": {}}}
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={"LoggingEnabled": simple})
    assert s3.get_bucket_logging(Bucket=bucket)["LoggingEnabled"] == simple
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={})
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=bucket)
    other = unique("elsewhere")
    logged.client("s3", region_name="eu-north-1").create_bucket(
        Bucket=other, CreateBucketConfiguration={"LocationConstraint": "eu-north-1"}
    )
    grant = {"Grantee": {"Type": "CanonicalUser", "ID": "a" * 64}, "Permission": "READ"}
    for more, code, status in (
        ({"TargetBucket": "there-is-no-such-bucket"}, "InvalidTargetBucketForLogging", 400),
        ({"TargetBucket": other}, "CrossLocationLoggingProhibitted", 403),
        ({"TargetGrants": [grant]}, "AccessControlListNotSupported", 400),
        ({"TargetObjectKeyFormat": {}}, "MalformedXML", 400),
    ):
        with refused(code, status):
            s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={"LoggingEnabled": {**simple, **more}})


def test_a_clean_stop_writes_what_was_gathered(tmp_path: Path) -> None:
    """Lines that wait for their time are delivered by a server that is stopped."""
    with LiveCloud(tmp_path) as cloud:
        s3 = cloud.client("s3")
        bucket, target = unique_name("photos"), unique_name("logs")
        for name in (bucket, target):
            s3.create_bucket(Bucket=name)
        s3.put_bucket_policy(
            Bucket=target,
            Policy=delivery_policy(
                target,
                Condition={
                    "ArnLike": {"aws:SourceArn": f"arn:aws:s3:::{bucket}"},
                    "StringEquals": {"aws:SourceAccount": cloud.account},
                },
            ),
        )
        wanted = {"TargetBucket": target, "TargetPrefix": ""}
        s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={"LoggingEnabled": wanted})
        s3.put_object(Bucket=bucket, Key="a", Body=b"1")
        cloud.stop()
        cloud.start()
        assert [entry["operation"] for entry in entries(s3, target)] == ["REST.PUT.OBJECT"]


def test_nothing_is_delivered_where_it_may_not_be(tmp_path: Path) -> None:
    """Without leave of the bucket that it would go to, a log is dropped, and the server says so."""
    with LiveCloud(tmp_path) as cloud:
        s3 = cloud.client("s3")
        bucket, target = unique_name("photos"), unique_name("logs")
        for name in (bucket, target):
            s3.create_bucket(Bucket=name)
        wanted = {"TargetBucket": target, "TargetPrefix": ""}
        s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={"LoggingEnabled": wanted})
        s3.put_object(Bucket=bucket, Key="a", Body=b"1")
        cloud.stop()
        assert "may not be written" in cloud.output()
        cloud.start()
        assert s3.list_objects_v2(Bucket=target)["KeyCount"] == 0
