"""What fuzzing has found, each so that it stays found."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError

from handmade import Signer, Wire
from live import LiveCloud
from pilvi.core.errors import CloudError
from pilvi.services.lambda_ import invoke
from pilvi.services.lambda_.errors import InvalidRequestContent
from pilvi.services.s3.lifecycle.values import midnight_ms
from pilvi.services.s3.locks.rules import milliseconds, moment
from pilvi.wire import scalars

LAST = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveCloud]:
    with LiveCloud(tmp_path_factory.mktemp("cloud")) as running:
        yield running


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_moments_outside_of_all_years(text: str) -> None:
    """A time that has no name in UTC is malformed, in whichever form it is expected."""
    for read in (scalars.read_iso8601, scalars.read_rfc822, scalars.read_unixtimestamp):
        with pytest.raises(scalars.Malformed):
            read(text)


def test_the_last_moment_of_all() -> None:
    """It is not rounded into a year that has no name."""
    assert moment(milliseconds(LAST)).year == 9999
    with pytest.raises(CloudError, match="midnight"):
        midnight_ms(LAST)


def test_documents_deeper_than_any(cloud: LiveCloud) -> None:
    """A policy, and what a function is called with, are malformed."""
    s3, deep = cloud.client("s3"), "[" * 5_000
    s3.create_bucket(Bucket="deep")
    with pytest.raises(ClientError, match="MalformedPolicy"):
        s3.put_bucket_policy(Bucket="deep", Policy=deep)
    with pytest.raises(InvalidRequestContent):
        invoke._event(deep.encode(), "Event")


def test_a_website_that_is_sent_a_body(cloud: LiveCloud) -> None:
    """It refuses the method, whoever asks."""
    cloud.client("s3").create_bucket(Bucket="site")
    answer = Wire(cloud.endpoint).send("POST", "/a", {"host": "site.s3-website.localhost"}, b"body")
    assert answer.status == 405


def test_the_last_moment_as_a_lock(cloud: LiveCloud) -> None:
    """The policies that are asked know of it."""
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
    s3.put_object(Bucket="locked", Key="a", Body=b"x")
    body = (
        b"<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>9999-12-31T23:59:59.999999Z</RetainUntilDate></Retention>"
    )
    md5 = b64encode(hashlib.md5(body).digest()).decode()
    root = Signer(cloud.access_key, cloud.secret_key)
    answer = Wire(cloud.endpoint).signed(root, "PUT", "/locked/a?retention=", {"content-md5": md5}, body)
    assert answer.status == 200
    until = s3.get_object_retention(Bucket="locked", Key="a")["Retention"]["RetainUntilDate"]
    assert until.year == 9999
