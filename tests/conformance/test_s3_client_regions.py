"""Clients of S3 that learn the region from the answer to a request signed for a wrong one, as s3cmd does."""

from __future__ import annotations

import re

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.httpsession import URLLib3Session

from live import LiveCloud


def ask(cloud: LiveCloud, region: str) -> tuple[int, str]:
    """Status and body of ListBuckets, signed for that region."""
    request = AWSRequest("GET", f"{cloud.endpoint}/", headers={})
    S3SigV4Auth(Credentials(cloud.access_key, cloud.secret_key), "s3", region).add_auth(request)
    answer = URLLib3Session().send(request.prepare())
    return answer.status_code, answer.text


@pytest.mark.parametrize("region", ["US", "Europe", "us_east_1"])
def test_the_answer_names_the_region_to_use(cloud: LiveCloud, region: str) -> None:
    """A <Region> beside AWS's sentence; asked again with it, the request is answered."""
    status, body = ask(cloud, region)
    assert status == 400
    assert "<Code>AuthorizationHeaderMalformed</Code>" in body
    named = re.search(r"<Region>([a-z0-9-]+)</Region>", body)
    assert named, body
    assert f"the region '{region}' is wrong; expecting '{named[1]}'" in body
    assert ask(cloud, named[1])[0] == 200
