"""What is written while a server is killed again and again: plain, encrypted and versioned objects, copies, parts, deletions."""

import hashlib
import random
import re
from collections.abc import Callable

from benchmarks import signing
from benchmarks.connection import Connection

PLAIN, VERSIONS = "crash", "crash-versions"
SIZES = (100, 4_096, 300_000)  # inside the store, inside the store, a file of its own
PART_BYTES = 5 * 1024 * 1024
ENCRYPTED = {"x-amz-server-side-encryption": "AES256"}
GONE = ""

Acknowledged = dict[str, str]
"""What was acknowledged: SHA-256 by path (and version), GONE for what must not be there any more."""


class Writer:
    """One connection's writes, below a prefix of its own, so that nobody else changes what it was told of."""

    def __init__(self, connection: Connection, host: str, prefix: str, chance: random.Random) -> None:
        self.acknowledged: Acknowledged = {}
        self._connection = connection
        self._host = host
        self._prefix = prefix
        self._chance = chance
        self._count = 0
        self._keys: list[str] = []
        self._versions: list[str] = []

    def step(self) -> None:
        """One thing more. Raises OSError when the server is gone."""
        steps: tuple[Callable[[], None], ...] = (
            self.put, self.put, self.put, self.seal, self.add_version, self.add_version, self.copy, self.delete, self.drop_version,
            self.seal_copy, self.parts if self._chance.random() < 0.1 else self.put,
        )  # fmt: skip
        self._chance.choice(steps)()

    def put(self) -> None:
        self._put({})

    def seal(self) -> None:
        self._put(ENCRYPTED)

    def _put(self, headers: dict[str, str]) -> None:
        path, body = self._path(), self._body()
        if self._ask("PUT", path, body, headers)[0] == 200:
            self._note(path, body)

    def copy(self) -> None:
        """The same bytes at another place: they are shared."""
        self._copy({})

    def seal_copy(self) -> None:
        """They are read again."""
        self._copy(ENCRYPTED)

    def _copy(self, headers: dict[str, str]) -> None:
        if self._keys:
            source, path = self._chance.choice(self._keys), self._path()
            if self._ask("PUT", path, headers={"x-amz-copy-source": source, **headers})[0] == 200:
                self.acknowledged[path] = self.acknowledged[source]
                self._keys.append(path)

    def delete(self) -> None:
        if self._keys:
            path = self._keys.pop(self._chance.randrange(len(self._keys)))
            del self.acknowledged[path]  # until it is acknowledged, it may be there or not
            if self._ask("DELETE", path)[0] == 204:
                self.acknowledged[path] = GONE

    def add_version(self) -> None:
        path, body = f"/{VERSIONS}/{self._prefix}", self._body()
        status, headers = self._ask("PUT", path, body, self._chance.choice(({}, ENCRYPTED)))[:2]
        if status == 200:
            version = f"{path}?versionId={headers['x-amz-version-id']}"
            self.acknowledged[version] = hashlib.sha256(body).hexdigest()
            self._versions.append(version)

    def drop_version(self) -> None:
        """One of them goes for good; what is behind the latest moves up."""
        if self._versions:
            version = self._versions.pop()
            del self.acknowledged[version]
            if self._ask("DELETE", version)[0] == 204:
                self.acknowledged[version] = GONE

    def parts(self) -> None:
        path = self._path()
        begun = re.search(rb"<UploadId>([^<]+)<", self._ask("POST", f"{path}?uploads")[2])
        if begun is None:
            return
        upload, bodies = begun[1].decode(), [self._chance.randbytes(PART_BYTES), b"end"]
        named = ""
        for number, body in enumerate(bodies, 1):
            headers = self._ask("PUT", f"{path}?partNumber={number}&uploadId={upload}", body)[1]
            named += f"<Part><PartNumber>{number}</PartNumber><ETag>{headers.get('etag', '')}</ETag></Part>"
        document = f"<CompleteMultipartUpload>{named}</CompleteMultipartUpload>".encode()
        if self._ask("POST", f"{path}?uploadId={upload}", document)[0] == 200:
            self._note(path, b"".join(bodies))

    def _path(self) -> str:
        self._count += 1
        return f"/{PLAIN}/{self._prefix}/{self._count}"

    def _body(self) -> bytes:
        return self._chance.randbytes(self._chance.choice(SIZES))

    def _note(self, path: str, body: bytes) -> None:
        self.acknowledged[path] = hashlib.sha256(body).hexdigest()
        self._keys.append(path)

    def _ask(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        return self._connection.ask(signing.signed(method, self._host, path, "s3", body, headers))


def lost(connection: Connection, host: str, acknowledged: Acknowledged) -> list[str]:
    """What is not as it was acknowledged."""
    found = []
    for path, expected in acknowledged.items():
        status, _, body = connection.ask(signing.signed("GET", host, path, "s3"))
        actual = hashlib.sha256(body).hexdigest() if status == 200 else GONE if status == 404 else str(status)
        if actual != expected:
            found.append(f"object {path}")
    return found
