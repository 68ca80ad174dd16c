"""Copies whose bytes cannot be shared: another key, another checksum, a part cut out of an object.

Such bytes are read once more, outside of the transaction (core.effects.Restage). The first attempt asks for that; the next
one finds what was read, if the source is still the same.
"""

from collections.abc import Callable, Iterable

import msgspec

from pilvi.core.context import Context
from pilvi.core.effects import Body, Restage, Segment, Staged, StagePlan
from pilvi.services.s3.encryption.seals import Sealing
from pilvi.services.s3.records import Run, Seal


class Reading(msgspec.Struct, frozen=True):
    """What was read, and the seal of what came of it. Blobs never change, and their ids are never given again."""

    runs: tuple[Run, ...]
    seal: Seal | None


def reread(
    ctx: Context,
    runs: Iterable[Run],
    opened_by: bytes,
    digests: frozenset[str],
    begin: Callable[[], Sealing | None],
) -> Staged | Restage:
    """What the reading of these runs brought, or the wish that they be read.

    Args:
        opened_by: the data key of the runs' blobs; b"" when they are stored in plain.
        begin: how what comes of it is sealed; asked only when these very runs have not been read.
    """
    wanted = tuple(runs)
    done = ctx.restaged
    if done is not None and isinstance(done.carry, Reading) and done.carry.runs == wanted:
        return done
    sealing = begin()
    body = Body(tuple(Segment(*run, opened_by) for run in wanted))
    seal = sealing.seal if sealing else None
    return Restage(body, StagePlan(digests, seal=sealing.key if sealing else b"", carry=Reading(wanted, seal)))
