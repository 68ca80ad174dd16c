"""Parameters for any operation, made from botocore's model: of the right types, and mostly of values that can be."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import cache
from typing import Any

import botocore.session
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape

from fuzz.values import ALIAS, Values

Params = dict[str, Any]
DEPTH_MAX = 6
ACCOUNT = "000000000000"


@cache
def model(service: str) -> ServiceModel:
    return botocore.session.get_session().get_service_model(service)


def params(values: Values, operation: OperationModel, base: Params | None = None) -> Params:
    """Everything that is required, and some of the rest.

    Args:
        base: members that are given; the others are made.
    """
    made: Params = dict(base or {})
    shape = operation.input_shape
    if not isinstance(shape, StructureShape):
        return made
    if "UploadId" in shape.members and "UploadId" not in made and values.uploads and values.often(0.8):
        made |= values.pick(values.uploads).place
    for name in shape.required_members:
        if name not in made or values.often(0.05):
            made[name] = value(values, shape.members[name], name)
    others = [name for name in shape.members if name not in made and "SSECustomer" not in name]
    payload = shape.serialization.get("payload")
    if payload in others and values.often(0.95):
        made[payload] = value(values, shape.members[payload], payload)
    for name in values.chance.sample(others, min(len(others), values.pick((0, 0, 1, 1, 2, 3, 8)))):
        if name != "ExpectedBucketOwner" or values.often(0.2):
            made.setdefault(name, value(values, shape.members[name], name))
    for prefix in ("", "CopySource"):
        if f"{prefix}SSECustomerKey" in shape.members and values.often(0.12):
            made |= values.customer(prefix)
    return made


def value(values: Values, shape: Shape, name: str, depth: int = 0) -> Any:
    if isinstance(shape, StructureShape):
        return _structure(values, shape, depth)
    if isinstance(shape, ListShape):
        count = values.pick((1, 1, 1, 2, 3, 0)) if depth < DEPTH_MAX else 0
        return [value(values, shape.member, name, depth + 1) for _ in range(count)]
    if isinstance(shape, MapShape):
        return {
            values.pick(("a", "b", "x-y")): value(values, shape.value, name, depth + 1)
            for _ in range(values.pick((0, 1, 2)))
        }
    return SCALARS[shape.type_name](values, shape, name)


def _structure(values: Values, shape: StructureShape, depth: int) -> Params:
    if depth > DEPTH_MAX:
        return {}
    made = {
        name: value(values, member, name, depth + 1)
        for name, member in shape.members.items()
        if name in shape.required_members or values.often(0.35)
    }
    if getattr(shape, "is_tagged_union", False) or (shape.name == "LifecycleRuleFilter" and values.often(0.8)):
        name = values.pick(list(made) or list(shape.members))
        made = {name: made.get(name) or value(values, shape.members[name], name, depth + 1)}
    return made


def _string(values: Values, shape: Shape, name: str) -> str:
    special = STRINGS.get(name) or STRINGS.get(shape.name)
    if special is not None and values.often(0.93):
        return special(values)
    enum = shape.metadata.get("enum")
    if enum and values.often(0.93):
        return str(values.pick(enum))
    if values.often(0.5):
        return str(values.pick(("a", "b", "x", "1", "true", "prefix/", "name")))
    return values.hostile()


def _arn(values: Values) -> str:
    kinds = (
        f"arn:aws:s3:::{values.bucket()}",
        f"arn:aws:iam::{ACCOUNT}:role/fuzz",
        f"arn:aws:iam::{ACCOUNT}:user/fuzz",
        f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:fuzz",
        f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{values.known('kms-key')}",
    )
    return str(values.pick(kinds))


def _policy(values: Values) -> str:
    effect, who = (
        values.pick(("Allow", "Deny")),
        values.pick(('"*"', '{"AWS":"*"}', f'{{"AWS":"arn:aws:iam::{ACCOUNT}:user/fuzz"}}')),
    )
    action = values.pick(("s3:GetObject", "s3:ListBucket", "s3:Get*"))
    where = values.pick(("", "/*"))
    condition = values.pick(
        ("", ',"Condition":{"StringEquals":{"s3:prefix":"a"}}', f',"Condition":{{"x":{{"y":"{values.pick("az")}"}}}}')
    )
    text = (
        f'{{"Version":"2012-10-17","Statement":[{{"Effect":"{effect}","Principal":{who},"Action":"{action}",'
        f'"Resource":"arn:aws:s3:::{values.bucket()}{where}"{condition}}}]}}'
    )
    return text if values.often(0.8) else text[: values.chance.randint(0, len(text))]


STRINGS: dict[str, Callable[[Values], str]] = {
    "Bucket": Values.bucket,
    "Key": Values.key,
    "Prefix": lambda values: values.pick(("", "a", "a/", "/", values.key())),
    "Delimiter": lambda values: values.pick(("", "/", "a", "//")),
    "Marker": lambda values: values.pick((values.key(), values.known("token"))),
    "KeyMarker": lambda values: values.pick((values.key(), values.known("token"))),
    "StartAfter": Values.key,
    "ContinuationToken": lambda values: values.known("token"),
    "NextToken": lambda values: values.known("token"),
    "CopySource": lambda values: (
        f"{values.pick(('', '/'))}{values.bucket()}/{values.key()}"
        f"{values.pick(('', '', '?versionId=null', '?versionId=' + values.known('version')))}"
    ),
    "VersionId": lambda values: values.pick((values.known("version"), "null")),
    "VersionIdMarker": lambda values: values.pick((values.known("version"), "null", "")),
    "UploadId": lambda values: values.known("upload"),
    "UploadIdMarker": lambda values: values.known("upload"),
    "ETag": lambda values: values.known("etag"),
    "IfMatch": lambda values: values.pick((values.known("etag"), "*", f'"{values.known("etag")}"')),
    "IfNoneMatch": lambda values: values.pick((values.known("etag"), "*")),
    "CopySourceIfMatch": lambda values: values.known("etag"),
    "CopySourceIfNoneMatch": lambda values: values.known("etag"),
    "Range": lambda values: values.pick(("bytes=0-3", "bytes=1-", "bytes=-2", values.hostile())),
    "CopySourceRange": lambda values: values.pick(("bytes=0-3", "bytes=0-0", values.hostile())),
    "Tagging": lambda values: values.pick(("a=1", "a=1&b=2", "a=%zz", "a=1&a=2", values.hostile())),
    "Policy": _policy,
    "KeyPolicy": _policy,
    "Role": _arn,
    "PartNumberMarker": lambda values: str(values.number()),
    "SSEKMSKeyId": lambda values: values.pick((ALIAS, values.known("kms-key"))),
    "KMSMasterKeyID": lambda values: values.pick((ALIAS, values.known("kms-key"))),
    "ReplicaKmsKeyID": lambda values: values.pick((ALIAS, values.known("kms-key"))),
    "SSEKMSEncryptionContext": lambda values: base64.b64encode(
        values.pick((b'{"a":"b"}', b"{}", b"[1]", b"\xff"))
    ).decode(),
    "KeyId": lambda values: values.pick((ALIAS, ALIAS, values.known("kms-key"))),
    "TargetKeyId": lambda values: values.known("kms-key"),
    "SourceKeyId": lambda values: values.known("kms-key"),
    "DestinationKeyId": lambda values: values.pick((ALIAS, values.known("kms-key"))),
    "AliasName": lambda values: values.pick((ALIAS, "alias/x", "alias/x", "alias/y", "alias/aws/x", "x")),
    "GrantId": lambda values: values.known("kms-token"),
    "GrantToken": lambda values: values.known("kms-token"),
    "GrantTokens": lambda values: values.known("kms-token"),
    "ObjectSizeGreaterThan": lambda values: str(values.number()),
    "GranteePrincipal": _arn,
    "RetiringPrincipal": _arn,
    "TargetBucket": Values.bucket,
    "URI": lambda values: "http://acs.amazonaws.com/groups/" + values.pick(("global/AllUsers", "s3/LogDelivery", "x")),
    "LambdaFunctionArn": _arn,
    "QueueArn": _arn,
    "TopicArn": _arn,
    "ObjectAttributes": lambda values: values.pick(("ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize")),
}


def _blob(values: Values, shape: Shape, name: str) -> Any:
    if name == "CiphertextBlob":
        try:
            return base64.b64decode(values.known("kms-blob"), validate=True)
        except ValueError:
            return b"x"
    return values.content() if name == "Body" else values.chance.randbytes(values.pick((0, 1, 16, 32, 64, 4096, 5000)))


SCALARS: dict[str, Callable[[Values, Shape, str], Any]] = {
    "string": _string,
    "integer": lambda values, shape, name: values.number(),
    "long": lambda values, shape, name: values.number(),
    "boolean": lambda values, shape, name: values.often(0.5),
    "timestamp": lambda values, shape, name: values.moment(),
    "blob": _blob,
    "float": lambda values, shape, name: values.number() / 3,
    "double": lambda values, shape, name: values.number() / 3,
    "character": lambda values, shape, name: "a",
}
