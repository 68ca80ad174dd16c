"""s3cmd: the oldest of the tools."""

from __future__ import annotations

import json
import random
from pathlib import Path
from urllib.request import urlopen

import pytest

from live import LiveCloud
from tool import Tool

MIB = 1024 * 1024


class S3cmd:
    """`s3cmd`, configured for the cloud."""

    def __init__(self, tool: Tool, cloud: LiveCloud) -> None:
        self.tool = tool
        host = cloud.endpoint.removeprefix("http://")
        self.configuration = tool.home / "s3cmd.conf"
        self.configuration.write_text(
            f"[default]\naccess_key = {cloud.access_key}\nsecret_key = {cloud.secret_key}\nhost_base = {host}\n"
            f"host_bucket = {host}\nuse_https = False\nbucket_location = {cloud.region}\n"
            "multipart_chunk_size_mb = 5\nprogress_meter = False\n"
        )

    def __call__(self, *arguments: str, code: int = 0) -> str:
        return self.tool("s3cmd", "-c", str(self.configuration), *arguments, code=code)


@pytest.fixture
def s3cmd(tool: Tool, cloud: LiveCloud) -> S3cmd:
    return S3cmd(tool, cloud)


def test_files_and_trees(cloud: LiveCloud, bucket: str, s3cmd: S3cmd, tmp_path: Path) -> None:
    """put in parts, get, get a range again, sync with deletions, cp, mv, du, del."""
    data = random.Random(10).randbytes(12 * MIB)
    (tmp_path / "tree/inner").mkdir(parents=True)
    (tmp_path / "tree/large").write_bytes(data)
    (tmp_path / "tree/inner/ä b.txt").write_text("text")
    s3cmd("sync", f"{tmp_path}/tree/", f"s3://{bucket}/t/")
    client = cloud.client("s3")
    assert client.get_object(Bucket=bucket, Key="t/large")["Body"].read() == data
    assert client.head_object(Bucket=bucket, Key="t/large")["ETag"].endswith('-3"')
    s3cmd("get", f"s3://{bucket}/t/large", f"{tmp_path}/back")
    assert (tmp_path / "back").read_bytes() == data
    (tmp_path / "tree/large").unlink()
    s3cmd("sync", "--delete-removed", f"{tmp_path}/tree/", f"s3://{bucket}/t/")
    s3cmd("cp", f"s3://{bucket}/t/inner/ä b.txt", f"s3://{bucket}/copy")
    s3cmd("mv", f"s3://{bucket}/copy", f"s3://{bucket}/moved")
    assert s3cmd("get", f"s3://{bucket}/moved", "-") == "text"
    assert s3cmd("du", f"s3://{bucket}").split()[:2] == ["8", "2"]
    s3cmd("del", "--recursive", "--force", f"s3://{bucket}")
    s3cmd("rb", f"s3://{bucket}")
    assert bucket not in s3cmd("ls")


def test_settings_and_links(cloud: LiveCloud, bucket: str, s3cmd: S3cmd, tmp_path: Path) -> None:
    """Policy, CORS, lifecycle, tags, headers, signed links: what s3cmd sets is what boto3 sees."""
    client = cloud.client("s3")
    (tmp_path / "x").write_text("x")
    s3cmd("put", "--mime-type=text/x-own", "--add-header=x-amz-meta-by:s3cmd", f"{tmp_path}/x", f"s3://{bucket}/x")
    head = client.head_object(Bucket=bucket, Key="x")
    assert head["ContentType"].startswith("text/x-own")
    assert head["Metadata"]["by"] == "s3cmd"
    s3cmd("modify", "--add-header=Cache-Control: max-age=7", f"s3://{bucket}/x")
    assert client.head_object(Bucket=bucket, Key="x")["CacheControl"] == "max-age=7"
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/no"}
        ],
    }
    (tmp_path / "policy").write_text(json.dumps(policy))
    s3cmd("setpolicy", f"{tmp_path}/policy", f"s3://{bucket}")
    assert json.loads(client.get_bucket_policy(Bucket=bucket)["Policy"]) == policy
    s3cmd("expire", "--expiry-days=3", "--expiry-prefix=old/", f"s3://{bucket}")
    [rule] = client.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert (rule["Expiration"], rule.get("Prefix") or rule["Filter"]["Prefix"]) == ({"Days": 3}, "old/")
    s3cmd("setversioning", f"s3://{bucket}", "enable")
    assert client.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    link = s3cmd("signurl", f"s3://{bucket}/x", "+600").strip()
    with urlopen(link, timeout=10) as answer:
        assert answer.read() == b"x"
    told = s3cmd("info", f"s3://{bucket}/x")
    assert "text/x-own" in told
    assert "9dd4e461268c8034f5c8564e155c67a6" in told
