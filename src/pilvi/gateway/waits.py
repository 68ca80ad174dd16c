"""Sleepers of long polls: they hold neither thread nor transaction, only a place in a queue per topic."""

import asyncio
from collections import deque
from collections.abc import Iterable


class Waits:
    """Who waits for what. Loop thread only.

    A commit wakes one sleeper a topic. One that is woken and then served wakes the next (`pass_on`), since one commit
    may bring enough for several; one that goes away between its wake and its try passes the wake on as well.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queues: dict[str, deque[asyncio.Future[bool]]] = {}

    def wake(self, topics: Iterable[str]) -> None:
        if not self._queues:
            return
        for topic in topics:
            self.pass_on(topic)

    def pass_on(self, topic: str) -> None:
        queue = self._queues.get(topic)
        while queue:
            sleeper = queue.popleft()
            if not sleeper.done():
                sleeper.set_result(True)
                break
        if queue is not None and not queue:
            del self._queues[topic]

    async def sleep(self, topic: str, seconds: float) -> bool:
        """Whether an event woke us (False: the time is over)."""
        sleeper: asyncio.Future[bool] = self._loop.create_future()
        self._queues.setdefault(topic, deque()).append(sleeper)
        timer = self._loop.call_later(max(seconds, 0), _expire, sleeper)
        try:
            return await sleeper
        except asyncio.CancelledError:
            if sleeper.done() and not sleeper.cancelled() and sleeper.result():
                self.pass_on(topic)
            raise
        finally:
            timer.cancel()
            self._forget(topic, sleeper)

    def _forget(self, topic: str, sleeper: asyncio.Future[bool]) -> None:
        queue = self._queues.get(topic)
        if queue is None:
            return
        if sleeper in queue:
            queue.remove(sleeper)
        if not queue:
            del self._queues[topic]

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))


def _expire(sleeper: asyncio.Future[bool]) -> None:
    if not sleeper.done():
        sleeper.set_result(False)
