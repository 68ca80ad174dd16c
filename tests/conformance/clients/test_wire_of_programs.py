"""What programs put on the wire that SDKs write otherwise, and AWS takes."""

from __future__ import annotations

import pytest

from live import LiveCloud
from s3kit import Raw


@pytest.fixture
def raw(cloud: LiveCloud) -> Raw:
    return Raw(cloud.endpoint, cloud.access_key, cloud.secret_key)


def test_a_plus_in_a_copy_source_is_a_space(cloud: LiveCloud, bucket: str, raw: Raw) -> None:
    """s5cmd writes spaces so; a plus itself comes as %2B. Both keys are there, and each is copied."""
    client = cloud.client("s3")
    for key in ("a b", "a+b"):
        client.put_object(Bucket=bucket, Key=key, Body=key.encode())
    for sent, key in (("a+b", "a b"), ("a%20b", "a b"), ("a%2Bb", "a+b")):
        status, _, body = raw("PUT", f"/{bucket}/copy", b"", {"x-amz-copy-source": f"{bucket}/{sent}"})
        assert status == 200, body
        assert client.get_object(Bucket=bucket, Key="copy")["Body"].read() == key.encode()


DOCUMENTS = {
    "acl": '<AccessControlPolicy><Owner><ID>{owner}</ID></Owner><AccessControlList><Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"><ID>{owner}</ID></Grantee><Permission>FULL_CONTROL</Permission></Grant></AccessControlList></AccessControlPolicy>',
    "notification": "<NotificationConfiguration/>",
    "website": "<WebsiteConfiguration><IndexDocument><Suffix>i</Suffix></IndexDocument></WebsiteConfiguration>",
    "logging": "<BucketLoggingStatus/>",
    "policy": '{{"Version": "2012-10-17", "Statement": [{{"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::{bucket}/no"}}]}}',
}


@pytest.mark.parametrize("setting", DOCUMENTS)
def test_settings_of_older_programs_come_without_a_digest(
    cloud: LiveCloud, bucket: str, raw: Raw, setting: str
) -> None:
    """s3cmd sends no Content-MD5 with these."""
    owner = cloud.client("s3").list_buckets()["Owner"]["ID"]
    document = DOCUMENTS[setting].format(owner=owner, bucket=bucket).encode()
    status, _, body = raw("PUT", f"/{bucket}?{setting}", document)
    assert status in (200, 204), body


@pytest.mark.parametrize("setting", ["cors", "lifecycle", "tagging"])
def test_other_settings_do_not(bucket: str, raw: Raw, setting: str) -> None:
    """These AWS refuses without a digest."""
    status, _, body = raw("PUT", f"/{bucket}?{setting}", b"<X/>")
    assert status == 400
    assert b"Missing required header for this request: Content-MD5" in body
