"""What tests of checks and backups share: a data folder with some of everything, and ways to look at it and to harm it."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from pilvi.cli import check as command
from pilvi.config import Config
from pilvi.state.checks.check import check, repair
from pilvi.state.checks.findings import Finding, Summary
from pilvi.state.layout import Layout, row_checksum
from pilvi.state.store import Record

BUCKET = "photos"
PART = 5 * 1024 * 1024
BODIES = {
    "small": b"small" * 200,
    "inline": os.urandom(200_000),
    "middle": os.urandom(700_000),
    "large": os.urandom(3_000_000),
}


def fill(s3: Any) -> dict[tuple[str, str], bytes]:
    """Puts something of each kind into a bucket with versions; (key, version) -> bytes."""
    stored: dict[tuple[str, str], bytes] = {}

    def keep(key: str, answer: dict[str, Any], body: bytes) -> None:
        stored[key, answer["VersionId"]] = body

    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    for key, body in BODIES.items():
        keep(key, s3.put_object(Bucket=BUCKET, Key=key, Body=body), body)
        keep(key, s3.put_object(Bucket=BUCKET, Key=key, Body=body[::-1]), body[::-1])
        sealed = s3.put_object(Bucket=BUCKET, Key=f"sealed-{key}", Body=body, ServerSideEncryption="AES256")
        keep(f"sealed-{key}", sealed, body)
    s3.delete_object(Bucket=BUCKET, Key="small")
    for key, algorithm in (("full", "CRC64NVME"), ("composite", "SHA256")):
        upload = s3.create_multipart_upload(Bucket=BUCKET, Key=key, ChecksumAlgorithm=algorithm)["UploadId"]
        at = {"Bucket": BUCKET, "Key": key, "UploadId": upload}
        bodies = [os.urandom(PART), os.urandom(1_000)]
        parts = [
            {
                "PartNumber": number,
                **{
                    name: value
                    for name, value in s3.upload_part(
                        **at, PartNumber=number, Body=body, ChecksumAlgorithm=algorithm
                    ).items()
                    if name == "ETag" or name.startswith("Checksum")
                },
            }
            for number, body in enumerate(bodies, 1)
        ]
        keep(key, s3.complete_multipart_upload(**at, MultipartUpload={"Parts": parts}), b"".join(bodies))
    copied = s3.copy_object(Bucket=BUCKET, Key="copied", CopySource=f"{BUCKET}/large")
    keep("copied", copied, BODIES["large"][::-1])
    open_upload = s3.create_multipart_upload(Bucket=BUCKET, Key="unfinished")["UploadId"]
    s3.upload_part(Bucket=BUCKET, Key="unfinished", UploadId=open_upload, PartNumber=1, Body=b"part")
    return stored


def read_back(s3: Any, stored: dict[tuple[str, str], bytes]) -> None:
    """Everything is there as it was stored."""
    for (key, version), body in stored.items():
        assert s3.get_object(Bucket=BUCKET, Key=key, VersionId=version)["Body"].read() == body, key


def digest_of(folder: Path) -> dict[str, str]:
    """Every file's name and SHA-256."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def checked(folder: Path, *, mend: bool = False, quick: bool = False) -> tuple[Summary, list[Finding]]:
    """A check (or a repair) of a folder in this process, and all that it told."""
    told: list[Finding] = []
    wanted = command._wanted(Config(data=folder), quick=quick)
    return (repair if mend else check)(folder, wanted, told.append, lambda *_: None), told


def sql(folder: Path, statement: str, *values: Any) -> list[Any]:
    """Straight into the database of a stopped folder."""
    with closing(sqlite3.connect(folder / "data.db", isolation_level=None)) as connection:
        return connection.execute(statement, values).fetchall()


def file_of(folder: Path, key: str) -> Path:
    """The blob file of an object's current state."""
    ((doc,),) = sql(folder, "SELECT doc FROM s3_object WHERE key = ?", key)
    ((name,),) = sql(folder, "SELECT file FROM blobs WHERE id = ?", json.loads(doc)["blob"])
    return folder / "blobs" / name[:2] / name[2:]


def flip(path: Path, at: int) -> None:
    """Changes one bit of a file."""
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1]))


def rewrite(folder: Path, record: type[Record], where: str, **changes: Any) -> None:
    """Changes fields in the documents of records, as somebody would who knows of their checksums."""
    layout = Layout(record)
    columns = {column.name for column in layout.columns}
    for row in sql(folder, f"SELECT {layout.selected} FROM {layout.table} WHERE {where}"):
        document = json.loads(row[-1])
        document |= {name: value for name, value in changes.items() if name not in columns}
        key = " AND ".join(f'"{name}" = ?' for name in layout.key)
        changed = (*row[:-1], json.dumps(document))
        values = (changed[-1], row_checksum(changed), *row[: len(layout.key)])
        sql(folder, f"UPDATE {layout.table} SET doc = ?, crc = ? WHERE {key}", *values)
