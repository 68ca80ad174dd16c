"""botocore's protocol vectors: requests and responses of every protocol, in its source distribution.

They are not in the repository. The source distribution of the installed version is fetched once by pip, from wherever
pip is configured to look, into .cache/; only tests/unit/protocols is unpacked.
"""

from __future__ import annotations

import base64
import fcntl
import json
import math
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from pilvi.wire import model
from pilvi.wire.model import Ref, ServiceModel, Shape

CACHE = Path(__file__).resolve().parent.parent / ".cache" / "vectors"
INSIDE = "/tests/unit/protocols/"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Case(msgspec.Struct, frozen=True):
    """One vector.

    Attributes:
        id: "output/json/AwsJson11Something", or with numbers where it has no name ("legacy/output/json/3:0").
        service: a model with the one operation of the case.
    """

    id: str
    service: ServiceModel
    operation: str
    text: dict[str, Any]
    model: dict[str, Any]

    @property
    def protocol(self) -> str:
        return self.service.metadata.protocol


def fetch() -> Path:
    """The folder with the vectors of the installed botocore, fetched if it is not there yet."""
    wanted = version("botocore")
    folder = CACHE / wanted
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test processes may want it at once
        if not folder.exists():
            _download(wanted, folder)
    return folder


def _download(wanted: str, folder: Path) -> None:
    target = CACHE / f"download-{wanted}"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*command, "--no-binary", "botocore", "--dest", str(target), f"botocore=={wanted}"], check=True)
    unpacked = CACHE / f"unpacked-{wanted}"
    with tarfile.open(next(target.glob("botocore-*.tar.gz"))) as archive:
        for member in archive:
            _, inside, name = member.name.partition(INSIDE)
            if inside and member.isfile():
                path = unpacked / name
                path.parent.mkdir(parents=True, exist_ok=True)
                content = archive.extractfile(member)
                assert content is not None
                path.write_bytes(content.read())
    unpacked.rename(folder)


def cases(direction: str) -> Iterator[Case]:
    """All vectors of "input" or "output", the older ones too."""
    root = fetch()
    for path in sorted(root.rglob(f"{direction}/*.json")):
        prefix = path.relative_to(root).with_suffix("")
        for number, suite in enumerate(json.loads(path.read_text())):
            for place, case in enumerate(suite["cases"]):
                given = case["given"]
                text = suite | {"operations": {given.get("name", "OperationName"): {"name": "OperationName"} | given}}
                _modernise(text)
                yield Case(
                    id=f"{prefix}/{case.get('id') or f'{number}:{place}'}",
                    service=model.decode(json.dumps(text).encode(), "vectors"),
                    operation=given.get("name", "OperationName"),
                    text=case,
                    model={key: value for key, value in text.items() if key != "cases"},
                )


def _modernise(text: dict[str, Any]) -> None:
    """The oldest vectors put traits where models no longer do: on shapes instead of members, on operations."""
    for shape in text["shapes"].values():
        for ref in shape.get("members", {}).values():
            target = text["shapes"][ref["shape"]]
            for trait in ("location", "locationName", "xmlAttribute", "xmlNamespace", "eventpayload", "eventheader"):
                if trait in target and target["type"] != "structure":
                    ref.setdefault(trait, target[trait])
    for operation in text["operations"].values():
        for ref in (operation.get("input"), operation.get("output")):
            if ref and "payload" in ref:
                text["shapes"][ref["shape"]].setdefault("payload", ref["payload"])


def typed(service: ServiceModel, ref: Ref, value: Any) -> Any:
    """A value of a vector, which is JSON, as what operations hold: datetimes, bytes, floats; nulls left out."""
    shape: Shape = service.shape(ref)
    if shape.document or ref.jsonvalue:
        return value
    if shape.eventstream and isinstance(value, list):
        return [typed(service, ref, event) for event in value]
    if shape.type == "structure":
        members = {name: item for name, item in value.items() if item is not None}
        return {name: typed(service, shape.members[name], item) for name, item in members.items()}
    if shape.type == "list":
        return [None if item is None else typed(service, shape.member, item) for item in value]
    if shape.type == "map":
        return {key: None if item is None else typed(service, shape.value, item) for key, item in value.items()}
    return _scalar(shape, value)


def _scalar(shape: Shape, value: Any) -> Any:
    if shape.type == "timestamp":
        return timestamp(value)
    if shape.type == "blob":
        return value.encode()
    if shape.type in {"float", "double"}:
        return float(value)
    return value


def timestamp(value: Any) -> datetime:
    if isinstance(value, str):
        found = datetime.fromisoformat(value)
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    return datetime.fromtimestamp(value, UTC)


def same(one: Any, other: Any) -> bool:
    """Equality for which NaN is itself."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    return bool(one == other)


def body_bytes(protocol: str, body: str) -> bytes:
    """CBOR vectors have their bodies in base64."""
    return base64.b64decode(body) if protocol == "smithy-rpc-v2-cbor" else body.encode()
