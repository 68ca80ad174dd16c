"""Reading stored bytes once more, outside of any transaction: through digests, into a new staged blob.

What Restage asks for. It is done by a thread of its own, for it takes as long as the bytes are many.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec

from pilvi.core import digests
from pilvi.core.effects import Body, Restage, Staged, StagePlan
from pilvi.state.store import OpenBlob, Stage, Store

PIECE_BYTES = 256 * 1024
COPIERS = ThreadPoolExecutor(4, "pilvi-copy")
"""Where copies run: a few at once, so that requests keep their threads and disks their order."""


class SourceGone(Exception):
    """The blobs that were to be read are not there any more."""


class Copy:
    """One such reading. Whoever made it calls `abort` in the end, whatever became of it.

    Attributes:
        staged: what it brought, once `run` has returned.
    """

    def __init__(self, store: Store, effect: Restage) -> None:
        self._store = store
        self._effect = effect
        self._stage: Stage = store.stage(effect.plan.seal, effect.plan.digests)
        self._given_up = False
        self._running = False

    def run(self) -> Staged:
        """Any thread, once.

        Raises:
            SourceGone: the attempt that wanted it saw blobs that were released since.
            BlobDamaged: they are not as they were stored.
            OSError: the disk is full.
        """
        self._running = True
        try:
            return self._read(_open(self._store, self._effect.body), self._effect.plan)
        finally:
            self._running = False
            if self._given_up:
                self._stage.abort()

    def abort(self) -> None:
        """Lets go of what was staged, unless an attempt has made it part of the truth. Any thread."""
        self._given_up = True
        if not self._running:
            self._stage.abort()

    def _read(self, sources: Sequence[OpenBlob], plan: StagePlan) -> Staged:
        wanted = digests.make(plan.digests)
        try:
            for source in sources:
                position = 0
                while position < source.length and not self._given_up:
                    data = source.read_at(position, PIECE_BYTES)
                    position += len(data)
                    for digest in wanted.values():
                        digest.update(data)
                    self._stage.write(data)
                source.close()  # a copy of a thousand parts needs one file at a time
        finally:
            for source in sources:
                source.close()
        staged = self._stage.finish({name: digest.digest() for name, digest in wanted.items()}, {})
        return staged if plan.carry is None else msgspec.structs.replace(staged, carry=plan.carry)


def _open(store: Store, body: Body) -> list[OpenBlob]:
    opened: list[OpenBlob] = []
    try:
        with store.read() as tx:
            opened.extend(store.open_blob(tx, segment) for segment in body.segments)
    except KeyError as error:
        for blob in opened:
            blob.close()
        raise SourceGone(str(error)) from None
    return opened
