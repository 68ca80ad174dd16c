"""The durable job: for each bucket with rules one entry in the outbox, due at every midnight and when rules are put."""

import msgspec

from pilvi.core.context import Context
from pilvi.services.s3.lifecycle.records import Lifecycle
from pilvi.services.s3.records import Bucket

TOPIC = "s3.lifecycle"


class Round(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far one walk over a bucket has come.

    Attributes:
        generation: of the rules that it was begun for.
        phase: what is walked over: "current" objects, "older" versions, "uploads", in this order.
        after: the last key that was looked at (with the rank of the version or the id of the upload); None: nothing yet.
    """

    bucket: int
    name: str
    generation: int
    phase: str = "current"
    after: tuple[str, int | str] | None = None


def begin_rounds(ctx: Context, bucket: Bucket, rules: Lifecycle) -> None:
    """Begins a walk over the bucket after this commit. The entry of earlier rules ends by itself."""
    begun = Round(bucket.id, bucket.name, rules.generation)
    ctx.tx.publish(TOPIC, msgspec.json.encode(begun), key=str(bucket.id))
