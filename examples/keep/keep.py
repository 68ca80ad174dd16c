"""Keeps a folder in a bucket: every version, encrypted, and locked against deletion. Plain boto3.

    python keep.py save FOLDER BUCKET [--days N]    upload what changed; what is gone is marked as gone
    python keep.py show BUCKET                      the moments that the folder can be brought back to
    python keep.py load BUCKET FOLDER [--at TIME]   bring it back as it is kept, or as it was then

A version that is younger than N days (30) cannot be deleted by anyone, the root key included.
"""

import argparse
import hashlib
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import boto3
from botocore.exceptions import ClientError

DIGEST = "sha256"  # of a file's content, kept as metadata: what did not change is not uploaded again


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, dest="command")
    for name, words in (("save", ("folder", "bucket")), ("show", ("bucket",)), ("load", ("bucket", "folder"))):
        command = commands.add_parser(name)
        for word in words:
            command.add_argument(word, type=Path if word == "folder" else str)
    commands.choices["save"].add_argument("--days", type=int, default=30)
    commands.choices["load"].add_argument("--at", type=datetime.fromisoformat, default=None, metavar="TIME")
    asked = parser.parse_args()
    s3 = boto3.client("s3")
    if asked.command == "save":
        save(s3, asked.folder, asked.bucket, asked.days)
    elif asked.command == "show":
        show(s3, asked.bucket)
    else:
        load(s3, asked.bucket, asked.folder, asked.at)


def save(s3: Any, folder: Path, bucket: str, days: int) -> None:
    """Makes the bucket what the folder is."""
    prepare(s3, bucket, days)
    kept = {version["Key"] for version in as_of(s3, bucket, None)}
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    for key, path in files.items():
        digest = digest_of(path)
        if key not in kept or s3.head_object(Bucket=bucket, Key=key)["Metadata"].get(DIGEST) != digest:
            s3.upload_file(str(path), bucket, key, ExtraArgs={"Metadata": {DIGEST: digest}})
            print("kept", key)
    for key in sorted(kept - files.keys()):
        s3.delete_object(Bucket=bucket, Key=key)  # a delete marker: the versions behind it stay
        print("gone", key)


def prepare(s3: Any, bucket: str, days: int) -> None:
    """A bucket that keeps versions, encrypts what comes, and locks it for so many days."""
    try:
        s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    except ClientError as error:
        if error.response["Error"]["Code"] != "BucketAlreadyOwnedByYou":
            raise
    s3.put_object_lock_configuration(
        Bucket=bucket,
        ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": days}},
        },
    )
    s3.put_bucket_encryption(
        Bucket=bucket,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        },
    )


def show(s3: Any, bucket: str) -> None:
    """Each moment at which something changed, oldest first."""
    changes = sorted((entry["LastModified"], entry["Key"], "Size" in entry) for entry in history(s3, bucket))
    for moment, key, is_there in changes:
        print(moment.isoformat(), "kept" if is_there else "gone", key)


def load(s3: Any, bucket: str, folder: Path, at: datetime | None) -> None:
    """Writes the files as they were at that moment; boto3 verifies the checksum of each."""
    for version in as_of(s3, bucket, at):
        key = PurePosixPath(version["Key"])
        if key.is_absolute() or ".." in key.parts:
            sys.exit(f"{key} would lie outside of {folder}")
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        s3.download_file(bucket, str(key), str(path), ExtraArgs={"VersionId": version["VersionId"]})
        print("back", key)


def as_of(s3: Any, bucket: str, at: datetime | None) -> Iterator[dict[str, Any]]:
    """The version of each key that was current then; keys that were gone then are left out."""
    moment = at and (at if at.tzinfo else at.replace(tzinfo=UTC))
    current: dict[str, dict[str, Any]] = {}
    for entry in history(s3, bucket):
        if moment is not None and entry["LastModified"] > moment:
            continue
        known = current.setdefault(entry["Key"], entry)
        if age(entry) > age(known):
            current[entry["Key"]] = entry
    return (entry for entry in current.values() if "Size" in entry)


def age(entry: dict[str, Any]) -> tuple[bool, datetime]:
    """Greater for what is newer: times are whole seconds, so what is current now is told apart."""
    return entry["IsLatest"], entry["LastModified"]


def history(s3: Any, bucket: str) -> Iterator[dict[str, Any]]:
    """Every version and every delete marker."""
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        yield from page.get("Versions", [])
        yield from page.get("DeleteMarkers", [])


def digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    main()
