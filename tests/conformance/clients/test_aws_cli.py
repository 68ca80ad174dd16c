"""The AWS CLI: `aws s3` as people type it, `aws s3api` and `aws kms` as scripts do."""

from __future__ import annotations

import json
import os
import random
from base64 import b64decode
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from live import LiveCloud, unique_name
from tool import Tool

A_DAY = 1_700_000_000
MIB = 1024 * 1024


class Aws:
    """`aws` with the cloud's keys."""

    def __init__(self, tool: Tool) -> None:
        self.tool = tool

    def __call__(self, *arguments: str, code: int = 0, given: str | None = None) -> str:
        return self.tool("aws", *arguments, code=code, given=given)

    def json(self, *arguments: str) -> Any:
        return json.loads(self("--output", "json", *arguments) or "{}")


@pytest.fixture
def aws(tool: Tool) -> Aws:
    return Aws(tool)


def names(cloud: LiveCloud, bucket: str) -> list[str]:
    return [entry["Key"] for entry in cloud.client("s3").list_objects_v2(Bucket=bucket).get("Contents", [])]


def test_sync_follows_both_ways(cloud: LiveCloud, bucket: str, aws: Aws, tmp_path: Path) -> None:
    """sync with filters and --delete, up, across and down: what is left is exactly what was there."""
    tree = tmp_path / "tree"
    for number in range(12):
        (tree / f"{number % 3}").mkdir(parents=True, exist_ok=True)
        (tree / f"{number % 3}/{number}.txt").write_text(f"text {number}")
    (tree / "0/skip.tmp").write_text("no")
    (tree / "large").write_bytes(random.Random(11).randbytes(18 * MIB))
    for path in tree.rglob(
        "*"
    ):  # S3 tells times in whole seconds: what is of this very second is newer than its upload
        os.utime(path, (A_DAY, A_DAY))
    aws("s3", "sync", str(tree), f"s3://{bucket}/t", "--exclude", "*.tmp")
    assert len(names(cloud, bucket)) == 13
    (tree / "1/1.txt").unlink()
    (tree / "2/2.txt").write_text("another text")
    said = aws("s3", "sync", str(tree), f"s3://{bucket}/t", "--exclude", "*.tmp", "--delete")
    assert sorted(line.split(":")[0] for line in said.replace("\r", "\n").splitlines() if "txt" in line) == [
        "delete",
        "upload",
    ]
    aws("s3", "sync", f"s3://{bucket}/t", f"s3://{bucket}/copy of t")
    (tmp_path / "back/0").mkdir(parents=True)
    (tmp_path / "back/0/foreign").write_text("goes")
    aws("s3", "sync", f"s3://{bucket}/copy of t", str(tmp_path / "back"), "--delete")
    (tree / "0/skip.tmp").unlink()
    assert {path.relative_to(tmp_path / "back"): path.read_bytes() for path in (tmp_path / "back").rglob("*.*")} == {
        path.relative_to(tree): path.read_bytes() for path in tree.rglob("*.*")
    }
    assert (tmp_path / "back/large").read_bytes() == (tree / "large").read_bytes()
    assert not (tmp_path / "back/0/foreign").exists()


def test_copies_moves_and_streams(cloud: LiveCloud, bucket: str, aws: Aws, tmp_path: Path) -> None:
    """cp from and to a pipe, mv of folders, --metadata-directive, storage classes, ls and its sums."""
    aws("s3", "cp", "-", f"s3://{bucket}/piped", "--metadata", "by=cli", given="from a pipe")
    assert aws("s3", "cp", f"s3://{bucket}/piped", "-") == "from a pipe"
    aws("s3", "cp", f"s3://{bucket}/piped", f"s3://{bucket}/in/a b+c", "--storage-class", "STANDARD_IA")
    head = cloud.client("s3").head_object(Bucket=bucket, Key="in/a b+c")
    assert (head["StorageClass"], head["Metadata"]) == ("STANDARD_IA", {"by": "cli"})
    aws("s3", "mv", f"s3://{bucket}/in", f"s3://{bucket}/out", "--recursive")
    assert names(cloud, bucket) == ["out/a b+c", "piped"]
    (tmp_path / "page.html").write_text("<p>hi</p>")
    aws("s3", "mv", str(tmp_path / "page.html"), f"s3://{bucket}/page.html", "--cache-control", "max-age=9")
    assert not (tmp_path / "page.html").exists()
    page = cloud.client("s3").head_object(Bucket=bucket, Key="page.html")
    assert (page["ContentType"], page["CacheControl"]) == ("text/html", "max-age=9")
    listed = aws("s3", "ls", f"s3://{bucket}", "--recursive", "--summarize")
    assert "Total Objects: 3" in listed
    assert "Total Size: 31" in listed
    aws("s3", "rm", f"s3://{bucket}", "--recursive", "--exclude", "*.html")
    assert names(cloud, bucket) == ["page.html"]


def test_a_bucket_is_made_shown_as_a_website_and_removed(cloud: LiveCloud, aws: Aws) -> None:
    """mb, website, presign, rb --force."""
    bucket = unique_name("made")
    aws("s3", "mb", f"s3://{bucket}")
    aws("s3", "website", f"s3://{bucket}", "--index-document", "index.html", "--error-document", "oh.html")
    found = cloud.client("s3").get_bucket_website(Bucket=bucket)
    assert (found["IndexDocument"], found["ErrorDocument"]) == ({"Suffix": "index.html"}, {"Key": "oh.html"})
    aws("s3", "cp", "-", f"s3://{bucket}/index.html", given="home")
    link = aws("s3", "presign", f"s3://{bucket}/index.html", "--expires-in", "60").strip()
    with urlopen(link, timeout=10) as answer:
        assert answer.read() == b"home"
    with pytest.raises(HTTPError, match="403"):
        urlopen(link.replace("index", "other"), timeout=10)
    assert "BucketNotEmpty" in aws("s3", "rb", f"s3://{bucket}", code=1)
    aws("s3", "rb", f"s3://{bucket}", "--force")
    assert bucket not in aws("s3", "ls")


def test_versions(cloud: LiveCloud, bucket: str, aws: Aws) -> None:
    """s3api: an old version is listed, read, and restored by a copy; a marker is removed."""
    aws("s3api", "put-bucket-versioning", "--bucket", bucket, "--versioning-configuration", "Status=Enabled")
    for text in ("one", "two"):
        aws("s3", "cp", "-", f"s3://{bucket}/note", given=text)
    aws("s3", "rm", f"s3://{bucket}/note")
    shown = aws.json("s3api", "list-object-versions", "--bucket", bucket)
    first, marker = shown["Versions"][1]["VersionId"], shown["DeleteMarkers"][0]["VersionId"]
    target = ["--bucket", bucket, "--key", "note"]
    aws("s3api", "get-object", *target, "--version-id", first, "old")
    assert (aws.tool.home / "old").read_text() == "one"
    aws("s3api", "delete-object", *target, "--version-id", marker)
    assert aws("s3", "cp", f"s3://{bucket}/note", "-") == "two"
    aws("s3api", "copy-object", *target, "--copy-source", f"{bucket}/note?versionId={first}")
    assert aws("s3", "cp", f"s3://{bucket}/note", "-") == "one"


def test_lifecycle_encryption_and_keys(cloud: LiveCloud, bucket: str, aws: Aws) -> None:
    """Rules and default encryption are read back as they were put; a KMS key made here encrypts what is stored."""
    rules = {"Rules": [{"ID": "old", "Status": "Enabled", "Filter": {"Prefix": "log/"}, "Expiration": {"Days": 30}}]}
    lifecycle = ["--bucket", bucket, "--lifecycle-configuration", json.dumps(rules)]
    aws("s3api", "put-bucket-lifecycle-configuration", *lifecycle)
    found = aws.json("s3api", "get-bucket-lifecycle-configuration", "--bucket", bucket)
    assert found["Rules"] == rules["Rules"]
    key = aws.json("kms", "create-key", "--description", "of the CLI")["KeyMetadata"]
    alias = f"alias/{unique_name('cli')}"
    aws("kms", "create-alias", "--alias-name", alias, "--target-key-id", key["KeyId"])
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": alias}
    encryption = json.dumps({"Rules": [{"ApplyServerSideEncryptionByDefault": default}]})
    aws("s3api", "put-bucket-encryption", "--bucket", bucket, "--server-side-encryption-configuration", encryption)
    aws("s3", "cp", "-", f"s3://{bucket}/secret", given="plain")
    head = aws.json("s3api", "head-object", "--bucket", bucket, "--key", "secret")
    assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", key["Arn"])
    aws("kms", "disable-key", "--key-id", key["KeyId"])
    assert "DisabledException" in aws("s3", "cp", f"s3://{bucket}/secret", "-", code=1)
    aws("kms", "enable-key", "--key-id", alias, code=255)  # NotFoundException: an alias is no key
    aws("kms", "enable-key", "--key-id", key["KeyId"])
    assert aws("s3", "cp", f"s3://{bucket}/secret", "-") == "plain"


def test_kms_encrypts_files(aws: Aws) -> None:
    """encrypt and decrypt as a script does, with a context; data keys; tags and aliases are listed."""
    key = aws.json("kms", "create-key", "--tags", "TagKey=team,TagValue=a")["KeyMetadata"]["KeyId"]
    (aws.tool.home / "plain").write_text("the secret")
    context = ["--encryption-context", "for=test"]
    given = ["--plaintext", "fileb://plain", *context]
    (aws.tool.home / "sealed").write_bytes(
        b64decode(aws.json("kms", "encrypt", "--key-id", key, *given)["CiphertextBlob"])
    )
    opened = ["kms", "decrypt", "--ciphertext-blob", "fileb://sealed"]
    assert b64decode(aws.json(*opened, *context)["Plaintext"]) == b"the secret"
    assert "InvalidCiphertextException" in aws(*opened, code=255)
    made = aws.json("kms", "generate-data-key", "--key-id", key, "--key-spec", "AES_256")
    (aws.tool.home / "sealed").write_bytes(b64decode(made["CiphertextBlob"]))
    assert aws.json(*opened)["Plaintext"] == made["Plaintext"]
    assert aws.json("kms", "list-resource-tags", "--key-id", key)["Tags"] == [{"TagKey": "team", "TagValue": "a"}]
