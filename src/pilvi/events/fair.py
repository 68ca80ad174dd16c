"""A queue in which nobody's thousand entries stand before somebody else's one."""

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """First in, first out for each key; the keys take turns."""

    def __init__(self) -> None:
        self._turns: dict[str, deque[T]] = {}  # in the order of their turns
        self._length = 0

    def push(self, key: str, item: T) -> None:
        queue = self._turns.get(key)
        if queue is None:
            self._turns[key] = deque((item,))
        else:
            queue.append(item)
        self._length += 1

    def pop(self) -> T:
        """The next one. Raises IndexError when there is none."""
        if not self._turns:
            raise IndexError("the queue is empty")
        key = next(iter(self._turns))
        queue = self._turns.pop(key)
        item = queue.popleft()
        if queue:
            self._turns[key] = queue
        self._length -= 1
        return item

    def __len__(self) -> int:
        return self._length
