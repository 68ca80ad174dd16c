"""Opening a data folder of any age: what is missing is made, what is older is brought forward, what is newer is refused.

The table `pilvi_table` says in which shape each record type is stored. Everything happens in one transaction: a crash
in the middle leaves the folder as it was.
"""

import sqlite3
from collections.abc import Iterable
from typing import Any

import msgspec

from pilvi.state import blobs, sequences
from pilvi.state.errors import NewerData, UnusableData
from pilvi.state.layout import CHECKSUM, DOCUMENT, Layout, quote

FORMAT = 2  # of the store's own tables, and of what all tables of records have
APPLICATION_ID = 0x70696C76  # "pilv" in the file's header: `file data.db` tells whose it is

_CATALOGUE = (
    "CREATE TABLE IF NOT EXISTS pilvi_table (name TEXT PRIMARY KEY, version INTEGER NOT NULL, columns TEXT NOT NULL)"
    " WITHOUT ROWID"
)
_REMEMBER = "INSERT OR REPLACE INTO pilvi_table VALUES (?, ?, ?)"


class Stored(msgspec.Struct, frozen=True):
    """How a table lies in the file now."""

    version: int
    columns: tuple[str, ...]


def migrate(connection: sqlite3.Connection, layouts: Iterable[Layout[Any]]) -> None:
    """Makes the file fit the record types.

    Raises:
        NewerData: a record type has a version that we do not know yet; nothing was changed.
        UnusableData: an older record has no way to here; nothing was changed.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in (_CATALOGUE, sequences.CREATE, *blobs.CREATE):
            connection.execute(statement)
        stored = stored_shapes(connection)
        if format_of(connection) < 2:
            _add_checksums(connection, stored)
        for layout in layouts:
            _bring(connection, layout, stored.get(layout.table))
        connection.execute(f"PRAGMA user_version = {FORMAT}")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def check_format(connection: sqlite3.Connection) -> None:
    """Looks at what is there, changing nothing.

    Raises:
        NewerData: the store's own tables have a format that we do not know yet.
        UnusableData: it is another program's file.
    """
    found = format_of(connection)
    owner = connection.execute("PRAGMA application_id").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if tables and owner != APPLICATION_ID:
        raise UnusableData("data.db was not made by pilvi: choose another data folder")
    if found > FORMAT:
        raise NewerData(_newer(f"its format is {found}, this pilvi knows {FORMAT}"))


def format_of(connection: sqlite3.Connection) -> int:
    """Of the file as it is: 0 for a new one."""
    found: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return found


def stored_shapes(connection: sqlite3.Connection) -> dict[str, Stored]:
    """How each table lies in the file now, by name."""
    rows = connection.execute("SELECT name, version, columns FROM pilvi_table")
    return {name: Stored(version, tuple(columns.split(","))) for name, version, columns in rows}


def _bring(connection: sqlite3.Connection, layout: Layout[Any], stored: Stored | None) -> None:
    columns = tuple(column.name for column in layout.columns)
    if stored is None:
        connection.execute(layout.create())
    elif stored.version > layout.version:
        raise NewerData(_newer(f"{layout.table} has version {stored.version}, this pilvi knows {layout.version}"))
    elif (stored.version, stored.columns) != (layout.version, columns):
        _rebuild(connection, layout, stored)
    _fit_indexes(connection, layout)
    if stored is None or (stored.version, stored.columns) != (layout.version, columns):
        connection.execute(_REMEMBER, (layout.table, layout.version, ",".join(columns)))


def _add_checksums(connection: sqlite3.Connection, tables: Iterable[str]) -> None:
    """Format 1 had none. Rows from then have none until they are written again, or a check is told to repair."""
    for table in tables:
        connection.execute(f"ALTER TABLE {quote(table)} ADD COLUMN {quote(CHECKSUM)} INTEGER")


def _rebuild(connection: sqlite3.Connection, layout: Layout[Any], stored: Stored) -> None:
    """Copies every record, brought forward, into a table of the new shape, which then takes the old one's place."""
    new = f"{layout.table}__new"
    connection.execute(layout.create(new))
    insert = f"INSERT INTO {quote(new)} VALUES ({', '.join('?' * (len(layout.columns) + 2))})"
    selected = ", ".join(map(quote, (*stored.columns, DOCUMENT)))
    rows = connection.execute(f"SELECT {selected} FROM {quote(layout.table)}")
    connection.executemany(insert, (layout.dump(_forward(layout, stored, row)) for row in rows))
    connection.execute(f"DROP TABLE {quote(layout.table)}")
    connection.execute(f"ALTER TABLE {quote(new)} RENAME TO {quote(layout.table)}")


def _forward(layout: Layout[Any], stored: Stored, row: tuple[Any, ...]) -> Any:
    document: dict[str, Any] = msgspec.json.decode(row[-1])
    document |= msgspec.to_builtins(dict(zip(stored.columns, row[:-1], strict=True)))
    for version in range(stored.version, layout.version):
        upgrade = layout.record.spec.upgrades.get(version)
        if upgrade is None:
            raise UnusableData(f"{layout.table}: no way from version {version} to {version + 1}")
        document = upgrade(document)
    try:
        return msgspec.convert(document, layout.record, strict=False)
    except msgspec.ValidationError as error:
        raise UnusableData(f"{layout.table}: a record of version {stored.version} does not fit: {error}") from error


def _fit_indexes(connection: sqlite3.Connection, layout: Layout[Any]) -> None:
    rows = connection.execute(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL", (layout.table,)
    )
    present = dict(rows.fetchall())
    wanted = layout.create_indexes()
    for name, sql in present.items():
        if wanted.get(name) != sql:
            connection.execute(f"DROP INDEX {quote(name)}")
    for name, sql in wanted.items():
        if present.get(name) != sql:
            connection.execute(sql)


def _newer(what: str) -> str:
    return f"the data folder was written by a newer pilvi ({what}): upgrade pilvi, or choose another data folder"
