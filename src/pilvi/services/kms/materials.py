"""Key material: made by chance, kept wrapped, opened for as long as one operation takes."""

from pilvi.core import sealing
from pilvi.core.context import Context
from pilvi.services.kms import managed, pairs
from pilvi.services.kms.records import Key, Material
from pilvi.services.kms.specs import Spec


def make(ctx: Context, spec: Spec) -> tuple[bytes, bytes]:
    """New material and, of a key pair, its public half."""
    if spec.paired:
        return pairs.make(spec)
    return ctx.ids.bytes(spec.size), b""


def symmetric(ctx: Context, key: Key) -> bytes:
    """What the key encrypts with now."""
    return of_version(ctx, key, key.version)


def of_version(ctx: Context, key: Key, version: int) -> bytes:
    """What one version of the key encrypted with.

    Raises:
        LookupError: it never had so many.
    """
    if not 1 <= version <= key.version:
        raise LookupError(version)
    if key.managed:
        return managed.material(ctx, key.id, version).secret
    return opened(ctx, stored(ctx, key, version))


def stored(ctx: Context, key: Key, version: int) -> Material:
    """The row of one version that the key has."""
    found = ctx.tx[Material].get(key.id, version)
    assert found is not None, "a key lost its material"
    return found


def opened(ctx: Context, material: Material) -> bytes:
    """The material itself. Raises SealBroken: the row, or the master key, is not what it was."""
    return sealing.unwrap(ctx.cloud.secret("kms"), material.wrapped, _place(material.key_id, material.version))


def keep(
    ctx: Context, key: Key, version: int, secret: bytes, *, public: bytes = b"", rotated: str = "", material_id: str
) -> None:
    """Writes a version of a key's material down."""
    nonce = ctx.ids.bytes(sealing.NONCE_BYTES)
    wrapped = sealing.wrap(ctx.cloud.secret("kms"), secret, _place(key.id, version), nonce)
    ctx.tx[Material].put(Material(key.id, version, material_id, ctx.now_ms, wrapped, public, rotated))


def id_of(ctx: Context, key: Key, version: int) -> str:
    """AWS's name for one version."""
    if version == key.version:
        return key.material_id
    if key.managed:
        return managed.material(ctx, key.id, version).hex_id
    return stored(ctx, key, version).id


def _place(key_id: str, version: int) -> bytes:
    """A wrapped key that is moved to another row does not open."""
    return f"{key_id}:{version}".encode()
