"""A data folder of any age opens, or is refused with a sentence that says what to do."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any, ClassVar

import pytest

from pilvi.state.errors import NewerData, UnusableData
from pilvi.state.layout import Layout, row_checksum
from pilvi.state.migrate import FORMAT
from pilvi.state.store import Record, TableSpec
from state_records import Thing, Word


class PersonV1(Record, frozen=True):
    spec: ClassVar[TableSpec] = TableSpec("test_person", key=("name",), indexes={"town": ("town",)})

    name: str
    town: str
    age: int
    photo: bytes = b""


def split_name(document: dict[str, Any]) -> dict[str, Any]:
    first, _, last = document.pop("name").partition(" ")
    return {**document, "first": first, "last": last}


def age_to_birth(document: dict[str, Any]) -> dict[str, Any]:
    return {**document, "born": 2026 - document.pop("age")}


class PersonV3(Record, frozen=True):
    """Another key, another index, a field instead of another, one that is new, one moved out of the document."""

    spec: ClassVar[TableSpec] = TableSpec(
        "test_person",
        key=("last", "first"),
        indexes={"born": ("born",), "photo": ("photo",)},
        version=3,
        upgrades={1: split_name, 2: age_to_birth},
    )

    first: str
    last: str
    born: int
    town: str
    photo: bytes
    nick: str = "none"


class PersonV2WithoutAWay(Record, frozen=True):
    spec: ClassVar[TableSpec] = TableSpec("test_person", key=("name",), version=2)

    name: str


class PersonWithoutIndex(Record, frozen=True):
    """V1 as it is, with no index: its field moves into the document."""

    spec: ClassVar[TableSpec] = TableSpec("test_person", key=("name",))

    name: str
    town: str
    age: int
    photo: bytes = b""


PEOPLE = [PersonV1("Ada Lovelace", "London", 36, b"\xff\x00"), PersonV1("Alan Turing", "Wilmslow", 41)]


def put_people(store: Any) -> None:
    store.write(lambda tx: [tx[PersonV1].put(person) for person in PEOPLE])


def objects(folder: Any) -> set[str]:
    connection = sqlite3.connect(folder / "data.db")
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE name LIKE 'test_%'")}
    connection.close()
    return names


def test_records_of_an_older_version_are_brought_forward(backend):
    """Through every step, into the new key and indexes; once."""
    put_people(backend.open(PersonV1))
    for _ in range(2):
        store = backend.open(PersonV3)
        with store.read() as tx:
            assert list(tx[PersonV3].scan(index="born")) == [
                PersonV3("Alan", "Turing", 1985, "Wilmslow", b""),
                PersonV3("Ada", "Lovelace", 1990, "London", b"\xff\x00"),
            ]
            assert tx[PersonV3].count(b"\xff\x00", index="photo") == 1
    assert objects(backend.folder) == {"test_person", "test_person__born", "test_person__photo"}


def test_an_index_can_come_and_go_without_a_new_version(backend):
    """The records stay as they were."""
    put_people(backend.open(PersonV1))
    store = backend.open(PersonWithoutIndex)
    with store.read() as tx:
        assert [person.town for person in tx[PersonWithoutIndex].scan()] == ["London", "Wilmslow"]
    assert objects(backend.folder) == {"test_person"}
    store = backend.open(PersonV1)
    with store.read() as tx:
        assert list(tx[PersonV1].scan("Wilmslow", index="town")) == PEOPLE[1:]


def test_new_tables_are_made_and_unknown_ones_are_kept(backend):
    """A service that is not there today has its data when it comes back."""
    put_people(backend.open(PersonV1))
    store = backend.open(Thing)
    store.write(lambda tx: tx[Thing].put(Thing("a")))
    with backend.open(PersonV1).read() as tx:
        assert list(tx[PersonV1].scan()) == PEOPLE


def test_a_newer_record_is_refused(backend):
    """Naming it, saying what to do; nothing is touched."""
    put_people(backend.open(PersonV1))
    backend.open(PersonV3)
    backend.close()
    with pytest.raises(NewerData, match=r"test_person has version 3, this pilvi knows 1\): upgrade pilvi"):
        backend.open(PersonV1, Word)
    assert "test_word" not in objects(backend.folder)
    with backend.open(PersonV3).read() as tx:
        assert tx[PersonV3].count() == 2


def test_a_newer_folder_is_refused(backend):
    """By its format number."""
    backend.open(Word)
    backend.close()
    connection = sqlite3.connect(backend.folder / "data.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(NewerData, match="its format is 99"):
        backend.open(Word)


def test_a_version_without_a_way_is_refused(backend):
    """The old data stays readable by who knows it."""
    put_people(backend.open(PersonV1))
    with pytest.raises(UnusableData, match="no way from version 1 to 2"):
        backend.open(PersonV2WithoutAWay)
    with backend.open(PersonV1).read() as tx:
        assert list(tx[PersonV1].scan()) == PEOPLE


def test_an_upgrade_that_does_not_fit_undoes_the_migration(backend):
    """A record that the new type cannot hold: refused, and the folder is as before."""

    class Strict(Record, frozen=True):
        spec: ClassVar[TableSpec] = TableSpec("test_person", key=("name",), version=2, upgrades={1: dict})

        name: str
        missing: int

    put_people(backend.open(PersonV1))
    with pytest.raises(UnusableData, match="test_person: a record of version 1 does not fit"):
        backend.open(Thing, Strict)
    assert "test_thing" not in objects(backend.folder)
    with backend.open(PersonV1).read() as tx:
        assert list(tx[PersonV1].scan()) == PEOPLE


def test_a_folder_without_checksums_of_records_gets_them(backend):
    """Format 1 had none: its rows are read as they were, new ones have theirs, and a newer format is refused."""
    store = backend.open(Word)
    store.write(lambda tx: [tx[Word].put(Word(text)) for text in ("a", "b")])
    backend.close()
    with closing(sqlite3.connect(backend.folder / "data.db", isolation_level=None)) as connection:
        for (name,) in connection.execute("SELECT name FROM pilvi_table").fetchall():
            connection.execute(f'ALTER TABLE "{name}" DROP COLUMN crc')
        connection.execute("PRAGMA user_version = 1")
    store = backend.open(Word)
    store.write(lambda tx: tx[Word].put(Word("c")))
    with store.read() as tx:
        assert list(tx[Word].scan()) == [Word("a"), Word("b"), Word("c")]
    backend.close()
    with closing(sqlite3.connect(backend.folder / "data.db")) as connection:
        table = Word.spec.name
        rows = connection.execute(f'SELECT {Layout(Word).selected}, crc FROM "{table}" ORDER BY 1').fetchall()
        assert [row[-1] for row in rows] == [None, None, row_checksum(rows[2][:-1])]
        assert connection.execute("PRAGMA user_version").fetchone()[0] == FORMAT
