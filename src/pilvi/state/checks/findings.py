"""What a check finds."""

import threading
from collections import Counter
from collections.abc import Callable
from enum import StrEnum

import msgspec


class Kind(StrEnum):
    """What can be wrong. Programs may rely on these words."""

    DATABASE = "database"  # SQLite says that data.db is damaged
    RECORD = "record"  # a record cannot be read
    CONTRADICTION = "contradiction"  # records do not agree with each other, or with the bytes
    BYTES = "bytes"  # a blob's bytes are not those that were stored, or its file is gone
    MISSING = "missing"  # a record holds a blob that is not there
    HOLDER = "holder"  # whose bytes they are that are damaged or missing
    COUNT = "count"  # a blob is counted otherwise than it is held
    UNHELD = "unheld"  # a blob that nothing holds
    EVENT = "event"  # an event that nobody here delivers
    UNVERIFIED = "unverified"  # a blob file from before there were checksums of files
    LEFTOVER = "leftover"  # a file that no row names: of an upload that did not come to its end


HARMLESS = frozenset({Kind.UNVERIFIED, Kind.LEFTOVER})


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that is not as it should be.

    Attributes:
        where: what it is about, as its owner or the folder calls it.
        what: one sentence.
        repaired: it is not so any more.
        harmless: nothing is lost or at risk by it.
    """

    kind: Kind
    where: str
    what: str
    repaired: bool = False
    harmless: bool = False


class Summary(msgspec.Struct, frozen=True):
    """How a check ended.

    Attributes:
        checked: how many of what were looked at: "records", "blobs", "files", "bytes".
        damage, repaired, harmless: how many findings of each kind were left, were put right, or do no harm.
        running: a server was at work meanwhile.
    """

    checked: dict[str, int]
    damage: dict[str, int]
    repaired: dict[str, int]
    harmless: dict[str, int]
    running: bool = False


class Findings:
    """Counts what is found and hands it on, at most so many of a kind. Any thread."""

    TOLD_MAX = 10_000

    def __init__(self, tell: Callable[[Finding], None]) -> None:
        self._tell = tell
        self._lock = threading.Lock()
        self._told: Counter[Kind] = Counter()
        self.damage: Counter[str] = Counter()
        self.repaired: Counter[str] = Counter()
        self.harmless: Counter[str] = Counter()
        self.checked: Counter[str] = Counter()

    def add(self, kind: Kind, where: str, what: str, *, repaired: bool = False) -> None:
        harmless = kind in HARMLESS
        with self._lock:
            (self.repaired if repaired else self.harmless if harmless else self.damage)[kind.value] += 1
            self._told[kind] += 1
            if self._told[kind] <= self.TOLD_MAX:
                self._tell(Finding(kind, where, what, repaired, harmless))

    def summary(self, *, running: bool) -> Summary:
        return Summary(dict(self.checked), dict(self.damage), dict(self.repaired), dict(self.harmless), running)
