"""Keys by what requests call them, and whether they can be used now."""

from pilvi.core.context import Context
from pilvi.core.errors import AccessDenied
from pilvi.services.kms import managed, names
from pilvi.services.kms.errors import Disabled, InvalidKeyUsage, InvalidState, NotFound
from pilvi.services.kms.names import Reference
from pilvi.services.kms.records import Alias, Key

REGION_OF_CIPHERTEXT = (
    "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not "
    "allowed to access."
)


def any_key(ctx: Context, text: str) -> Key:
    """By id, ARN or alias, of any account: what cryptographic operations take.

    Raises:
        NotFound, InvalidArn: it refers to no key.
        AccessDenied: it names another account, and no key of that.
    """
    return _found(ctx, names.parse(text, ctx.account, ctx.region))


def shared_key(ctx: Context, text: str) -> Key:
    """By id or ARN, of any account. Raises like any_key."""
    reference = names.parse(text, ctx.account, ctx.region)
    if reference.alias:
        raise NotFound(f"Invalid keyId '{text}'")
    return _found(ctx, reference)


def own_key(ctx: Context, text: str) -> Key:
    """By id or ARN, of the asker's account: what managing operations take. Raises like any_key."""
    key = shared_key(ctx, text)
    if key.account != ctx.account:
        raise names.unknown(Reference(key.account, key.region, id=key.id), ctx.account)
    return key


def of_ciphertext(ctx: Context, key_id: str) -> Key:
    """The key that a ciphertext blob names."""
    key = ctx.tx[Key].get(key_id) or managed.by_id(ctx, key_id)
    if key is None or key.region != ctx.region:
        raise AccessDenied(REGION_OF_CIPHERTEXT)
    return key


def _found(ctx: Context, reference: Reference) -> Key:
    key = _by_alias(ctx, reference) if reference.alias else ctx.tx[Key].get(reference.id)
    if key is None and reference.id and reference.account == ctx.account:
        key = managed.by_id(ctx, reference.id)
    if key is None or (key.account, key.region) != (reference.account, reference.region):
        raise names.unknown(reference, ctx.account)
    return key


def _by_alias(ctx: Context, reference: Reference) -> Key | None:
    service = managed.service_of(reference.alias)
    if service:
        return managed.key(ctx, reference.account, service)
    alias = ctx.tx[Alias].get(reference.account, reference.region, reference.alias)
    return ctx.tx[Key].get(alias.key_id) if alias is not None else None


def ready(key: Key, usage: str, operation: str) -> None:
    """Raises:
    Disabled, InvalidState: it cannot be used now.
    InvalidKeyUsage: it is for something else.
    """
    alive(key)
    if not key.enabled:
        raise Disabled(f"{key.arn} is disabled.")
    if key.usage != usage:
        raise InvalidKeyUsage(f"{key.arn} key usage is {key.usage} which is not valid for {operation}.")


def alive(key: Key) -> None:
    """Raises InvalidState: the key is about to be deleted."""
    if key.deletion_ms:
        raise InvalidState(f"{key.arn} is pending deletion.")
