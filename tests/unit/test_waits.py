"""Sleepers of long polls."""

from __future__ import annotations

import asyncio

from pilvi.gateway.waits import Place, Waits


async def sleep(waits: Waits, topic: str, seconds: float) -> bool:
    with Place(waits, topic) as place:
        return await place.sleep(seconds)


def test_a_wake_is_for_one() -> None:
    """One wake ends one sleep, the longest one; the others go on until it is passed to them."""

    async def scene() -> list[bool]:
        waits = Waits(asyncio.get_running_loop())
        with Place(waits, "queue") as first, Place(waits, "queue") as second:
            waits.wake(["queue", "nobody sleeps here"])
            return [await first.sleep(0.01), await second.sleep(0.01)]

    assert asyncio.run(scene()) == [True, False]


def test_an_event_before_the_sleep_is_not_missed() -> None:
    """A place is woken from the moment it is taken, not from the moment someone lies down in it."""

    async def scene() -> bool:
        waits = Waits(asyncio.get_running_loop())
        with Place(waits, "queue") as place:
            waits.wake(["queue"])
            return await place.sleep(5)

    assert asyncio.run(scene()) is True


def test_who_was_served_wakes_the_next() -> None:
    """One commit may bring enough for several: leaving a woken place passes the wake on."""

    async def scene() -> bool:
        waits = Waits(asyncio.get_running_loop())
        with Place(waits, "queue") as second:
            with Place(waits, "queue") as served:
                waits.queues["queue"].rotate()
                waits.wake(["queue"])
                assert await served.sleep(5)
            return await second.sleep(0.01)

    assert asyncio.run(scene()) is True


def test_a_cancelled_sleeper_passes_its_wake_on() -> None:
    """A client that goes away between its wake and its try does not take the event along."""

    async def scene() -> bool:
        waits = Waits(asyncio.get_running_loop())
        first = asyncio.create_task(sleep(waits, "queue", 5))
        second = asyncio.create_task(sleep(waits, "queue", 5))
        await asyncio.sleep(0)
        waits.wake(["queue"])
        first.cancel()
        return await second

    assert asyncio.run(scene()) is True


def test_nothing_is_left_behind() -> None:
    """Whatever ends a sleep, its place in the queue is gone."""

    async def scene() -> int:
        waits = Waits(asyncio.get_running_loop())
        woken, cancelled = (asyncio.create_task(sleep(waits, "a", 5)) for _ in range(2))
        late = asyncio.create_task(sleep(waits, "b", 0.01))
        await asyncio.sleep(0)
        waits.wake(["a"])
        cancelled.cancel()
        await asyncio.gather(woken, cancelled, late, return_exceptions=True)
        return len(waits)

    assert asyncio.run(scene()) == 0
