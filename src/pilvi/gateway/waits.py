"""Sleepers of long polls: they hold neither thread nor transaction, only a place in a queue per topic."""

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Self


class Waits:
    """Who waits for what. Loop thread only.

    A commit wakes one sleeper a topic. One that is woken and then served wakes the next (`pass_on`), since one commit
    may bring enough for several; one that goes away with its wake unused passes it on as well.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.queues: dict[str, deque[Place]] = {}

    def wake(self, topics: Iterable[str]) -> None:
        if self.queues:
            for topic in topics:
                self.pass_on(topic)

    def pass_on(self, topic: str) -> None:
        """Wakes the next one in the queue, if there is one."""
        for place in self.queues.get(topic, ()):
            if place.wake():
                return

    def __len__(self) -> int:
        return sum(map(len, self.queues.values()))


class Place:
    """A place in the queue for a topic, from `with` to its end.

    Whoever looks for the event only after taking a place cannot miss it: what is committed later finds the place.
    """

    def __init__(self, waits: Waits, topic: str) -> None:
        self._waits = waits
        self._topic = topic
        self._woken = False
        self._sleep: asyncio.Future[None] | None = None

    def __enter__(self) -> Self:
        self._waits.queues.setdefault(self._topic, deque()).append(self)
        return self

    def __exit__(self, *_: object) -> None:
        queue = self._waits.queues[self._topic]
        queue.remove(self)
        if not queue:
            del self._waits.queues[self._topic]
        if self._woken:
            self._waits.pass_on(self._topic)

    def wake(self) -> bool:
        """False when this place was woken before."""
        if self._woken:
            return False
        self._woken = True
        self._end()
        return True

    async def sleep(self, seconds: float) -> bool:
        """Whether an event woke us (False: the time is over)."""
        if not self._woken:
            self._sleep = self._waits.loop.create_future()
            timer = self._waits.loop.call_later(max(seconds, 0), self._end)
            try:
                await self._sleep
            finally:
                timer.cancel()
        return self._woken

    def _end(self) -> None:
        if self._sleep is not None and not self._sleep.done():
            self._sleep.set_result(None)
