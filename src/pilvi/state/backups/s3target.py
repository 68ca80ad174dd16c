"""A bucket of any S3 as the place where backups are kept."""

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pilvi.state.backups.target import PIECE_BYTES, NotThere

PUT_BYTES_MAX = 8 * 1024 * 1024  # larger ones go up in parts
PARTS_MAX = 9_000
CONNECTIONS = 16


class S3Target:
    """Objects below a prefix. What the other side refuses is botocore's error.

    Args:
        endpoint, profile: as for the AWS CLI; "" for what is configured.
    """

    def __init__(self, bucket: str, prefix: str, *, endpoint: str = "", profile: str = "") -> None:
        import boto3  # noqa: PLC0415 - a fifth of a second, for who backs up to S3
        from botocore.config import Config  # noqa: PLC0415

        session = boto3.session.Session(profile_name=profile or None)
        config = Config(max_pool_connections=CONNECTIONS, retries={"mode": "standard", "total_max_attempts": 5})
        self._client: Any = session.client("s3", endpoint_url=endpoint or None, config=config)
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    @property
    def endpoint(self) -> str:
        """Where requests go: "http://127.0.0.1:4566"."""
        return str(self._client.meta.endpoint_url)

    @property
    def scratch(self) -> Path | None:
        return None

    def names(self, prefix: str) -> Iterator[tuple[str, int]]:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=self._prefix + prefix
        )
        for page in pages:
            for found in page.get("Contents", []):
                yield found["Key"].removeprefix(self._prefix), found["Size"]

    def write(self, name: str, pieces: Iterable[bytes], size: int) -> None:
        key = self._prefix + name
        if size <= PUT_BYTES_MAX:
            self._client.put_object(Bucket=self._bucket, Key=key, Body=b"".join(pieces))
            return
        from boto3.s3.transfer import TransferConfig  # noqa: PLC0415

        parts = TransferConfig(multipart_chunksize=max(PUT_BYTES_MAX, -(-size // PARTS_MAX)), max_concurrency=4)
        self._client.upload_fileobj(_Pieces(pieces), self._bucket, key, Config=parts)

    def read(self, name: str) -> Iterator[bytes]:
        from botocore.exceptions import ClientError  # noqa: PLC0415

        try:
            body = self._client.get_object(Bucket=self._bucket, Key=self._prefix + name)["Body"]
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in {"NoSuchKey", "404"}:
                raise NotThere(name) from None
            raise
        yield from body.iter_chunks(PIECE_BYTES)

    def remove(self, name: str) -> None:
        self._client.delete_object(Bucket=self._bucket, Key=self._prefix + name)


class _Pieces(io.RawIOBase):
    """Pieces as a file that can only be read onwards."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        gathered: list[bytes] = []
        wanted = size if size >= 0 else 1 << 62
        while wanted:
            if not self._rest:
                self._rest = next(self._pieces, b"")
                if not self._rest:
                    break
            piece, self._rest = self._rest[:wanted], self._rest[wanted:]
            gathered.append(piece)
            wanted -= len(piece)
        return b"".join(gathered)
