"""How a type of record lies in SQL: its columns, its statements, and the two functions between a record and a row.

Statements are worked out once per type when the store opens, and are text from then on; the functions, when they are first
needed: they are compiled from source made of the record's own field names, as dataclasses do.

    class Object(Record):                          CREATE TABLE s3_object (
        spec = TableSpec("s3_object",                  "bucket" TEXT NOT NULL, "key" TEXT NOT NULL,
            key=("bucket", "key"))                     "doc" TEXT NOT NULL, "crc" INTEGER,
        bucket: str; key: str; size: int               PRIMARY KEY ("bucket", "key")) WITHOUT ROWID

`crc` is the CRC-32 of all that stands before it, for whoever checks a folder; reading does not look at it. It is NULL in rows
from before there was one.
"""

import inspect
import zlib
from collections.abc import Callable
from functools import cache
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import inspect as shapes

from pilvi.state.store import Record

R = TypeVar("R", bound=Record)
Row = tuple[Any, ...]

DOCUMENT = "doc"
CHECKSUM = "crc"
KEYWORD_ONLY = inspect.Parameter.KEYWORD_ONLY
_SQL_TYPES = {str: "TEXT", int: "INTEGER", bool: "INTEGER", bytes: "BLOB"}


class Column(msgspec.Struct, frozen=True):
    """A field with an SQL column of its own."""

    name: str
    kind: type

    @property
    def sql(self) -> str:
        return f"{quote(self.name)} {_SQL_TYPES[self.kind]} NOT NULL"


class AccessPath:
    """An ordered way through a table: the key, or an index followed by what the key adds to it."""

    def __init__(self, table: str, index: str, fields: tuple[str, ...], selected: str) -> None:
        self.index = index
        self.fields = fields
        self._table = table
        # Left to itself, SQLite's planner would rather search the key by one field than an index by three.
        self._source = f"{quote(table)} INDEXED BY {quote(sql_name(table, index))}" if index else quote(table)
        self._selected = selected
        self._scans: dict[tuple[int, int, int, int, bool], str] = {}
        self._counts: dict[int, str] = {}

    def scan(self, prefix: int, start: int, after: int, end: int, reverse: bool) -> str:
        """The statement for so many leading values, and bounds of so many fields (0: none). Bind them in this order."""
        form = (prefix, start, after, end, reverse)
        found = self._scans.get(form)
        if found is None:
            found = self._scans[form] = self._scan(*form)
        return found

    def gather(self, start: bool, end: bool) -> str:
        """The statement for all records behind all fields but the last: one row, with the last fields and the documents.

        SQLite puts them together several times faster than Python takes row after row. The order is that of the inner
        statement, which keeps its LIMIT and is therefore not merged into the outer one.
        """
        prefix = len(self.fields) - 1
        inner = self.scan(prefix, int(start), 0, int(end), reverse=False)
        return f"SELECT json_group_array({quote(self.fields[-1])}), group_concat({quote(DOCUMENT)}) FROM ({inner})"

    def count(self, prefix: int) -> str:
        found = self._counts.get(prefix)
        if found is None:
            where = self._where([self._equal(prefix)])
            found = self._counts[prefix] = f"SELECT count(*) FROM {self._source}{where}"
        return found

    def clear(self, prefix: int) -> str:
        """The statement that removes everything with so many leading values."""
        return f"DELETE FROM {self._source}{self._where([self._equal(prefix)])}"

    def _scan(self, prefix: int, start: int, after: int, end: int, reverse: bool) -> str:
        where = self._where(
            [
                self._equal(prefix),
                self._bound(prefix, start, ">="),
                self._bound(prefix, after, ">"),
                self._bound(prefix, end, "<"),
            ]
        )
        direction = " DESC" if reverse else ""
        order = ", ".join(quote(field) + direction for field in self.fields[prefix:])
        ordered = f" ORDER BY {order}" if order else ""
        return f"SELECT {self._selected} FROM {self._source}{where}{ordered} LIMIT ?"

    def _equal(self, prefix: int) -> str:
        if prefix > len(self.fields):
            raise TypeError(f"{self._table}: {prefix} leading values for {self.fields}")
        return " AND ".join(f"{quote(field)} = ?" for field in self.fields[:prefix])

    def _bound(self, prefix: int, length: int, operator: str) -> str:
        if length == 0:
            return ""
        fields = self.fields[prefix : prefix + length]
        if len(fields) < length:
            raise TypeError(f"{self._table}: a bound of {length} values after {prefix} of {self.fields}")
        if length == 1:
            return f"{quote(fields[0])} {operator} ?"
        names = ", ".join(map(quote, fields))
        return f"({names}) {operator} ({', '.join('?' * length)})"

    def _where(self, conditions: list[str]) -> str:
        given = [condition for condition in conditions if condition]
        return f" WHERE {' AND '.join(given)}" if given else ""


class Layout(Generic[R]):
    """A type of record, in SQL.

    Attributes:
        columns: key fields first, in key order, then the other index fields.
        dump: the row of a record (columns, the document, the checksum).
        load: the record of a row; raises msgspec.ValidationError when the document does not fit the type.
        spread: the fields of many records, without those of the key but the last, from what `AccessPath.gather` finds.
        paths: index name ("" for the key) -> access path.
    """

    dump: Callable[[R], Row]
    load: Callable[[Row], R]
    spread: Callable[[Row], dict[str, list[Any]]]

    def __init__(self, record: type[R]) -> None:
        spec = record.spec
        self.record = record
        self.table = spec.name
        self.version = spec.version
        self.remembered = spec.remembered
        self.key = spec.key
        fields = {field.name: field for field in msgspec.structs.fields(record)}
        names = list(dict.fromkeys([*spec.key, *(name for index in spec.indexes.values() for name in index)]))
        self.columns = tuple(Column(name, _kind(record, fields, name)) for name in names)
        self._write_statements(names)
        self.paths = {"": AccessPath(self.table, "", spec.key, self.selected)}
        for index, leading in spec.indexes.items():
            path = tuple(dict.fromkeys([*leading, *spec.key]))
            self.paths[index] = AccessPath(self.table, index, path, self.selected)

    def __getattr__(self, name: str) -> Any:
        """`dump`, `load` and `spread` are made when they are asked for: of most types nothing is read or written after a start."""
        if name not in ("dump", "load", "spread"):
            raise AttributeError(name)
        taken = {column.name for column in self.columns}
        body = _body(self.record, [field for field in msgspec.structs.fields(self.record) if field.name not in taken])
        dump, self.load, self.spread = _compile(self.record, self.columns, body)
        self.dump = _refuse if self.record.spec.view else dump
        return self.__dict__[name]

    def _write_statements(self, names: list[str]) -> None:
        table, key = quote(self.table), ", ".join(map(quote, self.key))
        columns = [*map(quote, names), quote(DOCUMENT)]
        self.selected = ", ".join(columns)
        columns.append(quote(CHECKSUM))
        into = f"{table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
        where = " AND ".join(f"{quote(name)} = ?" for name in self.key)
        changes = ", ".join(f"{column} = excluded.{column}" for column in columns[len(self.key) :])
        self.get = f"SELECT {self.selected} FROM {table} WHERE {where}"
        self.put = f"INSERT INTO {into} ON CONFLICT ({key}) DO UPDATE SET {changes}"
        self.add = f"INSERT INTO {into} ON CONFLICT ({key}) DO NOTHING"
        self.delete = f"DELETE FROM {table} WHERE {where}"

    def create(self, table: str = "") -> str:
        """The statement that makes the table (under another name, to rebuild it)."""
        columns = ", ".join(column.sql for column in self.columns)
        key = ", ".join(map(quote, self.key))
        name = quote(table or self.table)
        rest = f"{quote(DOCUMENT)} TEXT NOT NULL, {quote(CHECKSUM)} INTEGER"
        return f"CREATE TABLE {name} ({columns}, {rest}, PRIMARY KEY ({key})) WITHOUT ROWID"

    def create_indexes(self) -> dict[str, str]:
        """SQL name -> the statement that makes it."""
        found = {}
        for index, path in self.paths.items():
            if index:
                name = sql_name(self.table, index)
                fields = ", ".join(map(quote, path.fields))
                found[name] = f"CREATE INDEX {quote(name)} ON {quote(self.table)} ({fields})"
        return found


class Layouts(dict[type[Record], Layout[Any]]):
    """Layouts of the records that a store holds. Views have no tables: they are laid out when they are asked for."""

    def __missing__(self, record: type[Record]) -> Layout[Any]:
        if not record.spec.view:
            raise KeyError(record)
        return _view(record)


@cache
def _view(record: type[Record]) -> Layout[Any]:
    return Layout(record)


def _refuse(record: Record) -> Row:
    raise TypeError(f"{type(record).__name__} is a view: what it leaves out would be lost")


def sql_name(table: str, index: str) -> str:
    return f"{table}__{index}"


def quote(name: str) -> str:
    """An SQL identifier. Names come from our own record types only."""
    assert '"' not in name, name
    return f'"{name}"'


def _kind(record: type[Record], fields: dict[str, msgspec.structs.FieldInfo], name: str) -> type:
    if name not in fields:
        raise TypeError(f"{record.__name__}: spec names {name!r}, which is no field")
    match shapes.type_info(fields[name].type):
        case shapes.StrType():
            return str
        case shapes.BoolType():
            return bool
        case shapes.IntType():
            return int
        case shapes.BytesType():
            return bytes
        case shapes.LiteralType(values=values) if all(isinstance(value, str) for value in values):
            return str
        case shapes.LiteralType(values=values) if all(isinstance(value, int) for value in values):
            return int
        case _:
            raise TypeError(f"{record.__name__}.{name}: key and index fields are str, int, bool or bytes")


def _body(record: type[Record], fields: list[msgspec.structs.FieldInfo]) -> type[msgspec.Struct]:
    """The struct of what lies in the document: the fields without a column, with their defaults.

    A record that omits defaults does so here too: its documents are shorter, and a changed default is a changed shape.
    """
    described = [
        (
            field.name,
            field.type,
            msgspec.field(default=field.default, default_factory=field.default_factory),  # type: ignore[call-overload]
        )
        for field in sorted(fields, key=lambda field: not field.required)
    ]
    return msgspec.defstruct(
        f"{record.__name__}Body",
        described,
        frozen=True,
        omit_defaults=record.__struct_config__.omit_defaults,
    )


def _compile(
    record: type[R], columns: tuple[Column, ...], body: type[msgspec.Struct]
) -> tuple[Callable[[R], Row], Callable[[Row], R], Callable[[Row], dict[str, list[Any]]]]:
    rest = body.__struct_fields__
    taken = [f"int(r.{column.name})" if column.kind is bool else f"r.{column.name}" for column in columns]
    row = "".join(f"c{at}, " for at in range(len(columns)))
    positions = {column.name: _restored(column, at) for at, column in enumerate(columns)}
    values = {name: positions.get(name, f"b.{name}") for name in record.__struct_fields__}
    # A struct is made fastest from positions; fields that insist on their names come last in __struct_fields__.
    named = {name for name, parameter in inspect.signature(record).parameters.items() if parameter.kind == KEYWORD_ONLY}
    made = ", ".join(f"{name}={value}" if name in named else value for name, value in values.items())
    fields = ", ".join(f"{name!r}: [b.{name} for b in bs]" for name in rest)
    names: dict[str, Any] = {
        "Record": record,
        "Body": body,
        "encode": msgspec.json.Encoder().encode,
        "decode": msgspec.json.Decoder(body).decode,
        "decode_all": msgspec.json.Decoder(list[body]).decode,  # type: ignore[valid-type]
        "decode_texts": msgspec.json.Decoder(list[str]).decode,
        "crc32": zlib.crc32,
    }
    source = (
        f"def dump(r):\n {row}= {''.join(f'{value}, ' for value in taken)}\n"
        f" d = encode(Body({', '.join(f'r.{name}' for name in rest)}))\n"
        f" return ({row}d.decode(), crc32(d, crc32(repr(({row})).encode())))\n"
        f"def load(row):\n b = decode(row[{len(columns)}])\n return Record({made})\n"
        f"def spread(row):\n bs = decode_all(f'[{{row[1] or str()}}]')\n"
        f" return {{{record.spec.key[-1]!r}: decode_texts(row[0]), {fields}}}\n"
    )
    exec(compile(source, f"<layout of {record.__name__}>", "exec"), names)  # noqa: S102 - source of our own field names
    return names["dump"], names["load"], names["spread"]


def row_checksum(row: Row) -> int:
    """What the checksum of a row (its columns, then its document) must be."""
    document: str = row[-1]
    return zlib.crc32(document.encode("utf-8", "surrogateescape"), zlib.crc32(repr(row[:-1]).encode()))


def _restored(column: Column, at: int) -> str:
    return f"bool(row[{at}])" if column.kind is bool else f"row[{at}]"
